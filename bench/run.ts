/** `npm run bench`: Sluice beside its peers under the same load. See bench/README.md. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type ClusterReport, runCluster } from './cluster/run.ts'
import { temporaryDirectory } from './harness/directory.ts'
import { describeMachine, requireTools } from './harness/machine.ts'
import { runMicro } from './harness/micro.ts'
import { type BenchOptions, parseOptions, USAGE } from './harness/options.ts'
import { markdown, type Report, runHeader } from './harness/report.ts'
import { runWorkload } from './harness/rounds.ts'
import { judge, summarize } from './harness/summary.ts'
import { startOrigin } from './peers/start.ts'
import { WORKLOADS, type Workload } from './workloads.ts'

const RESULTS = fileURLToPath(new URL('./results/', import.meta.url))
const isTerminal = process.stderr.isTTY === true

process.on('SIGINT', () => process.exit(130))
process.on('SIGTERM', () => process.exit(143))

try {
  await main(parseOptions(process.argv.slice(2), [...WORKLOADS.map(workload => workload.name), 'cluster']))
} catch (error) {
  progress('')
  process.stderr.write(`${(error as Error).message}\n`)
  process.exitCode = 1
}

async function main(options: BenchOptions): Promise<void> {
  if (options.help) {
    process.stdout.write(USAGE)
    return
  }
  requireTools()
  const header = runHeader(options)
  const notes: string[] = []
  const wanted = WORKLOADS.filter(({ name }) => isWanted(name, options))
  const workloads = wanted.length > 0 ? await runWorkloads(wanted, options, notes) : []
  const cluster = isWanted('cluster', options) ? await runClusters(options) : undefined
  const micro = options.micro ? await runMicro(progress) : []
  progress('')
  write({ ...header, machine: describeMachine(), workloads, cluster, micro, notes }, options.out)
}

function isWanted(name: string, { only }: BenchOptions): boolean {
  return only === undefined || only.has(name)
}

async function runClusters({ rounds, seconds, connections }: BenchOptions): Promise<ClusterReport> {
  await using origin = await startOrigin(temporaryDirectory('bench-cluster'))
  return await runCluster({ rounds, seconds, connections, origin: origin.port, progress })
}

async function runWorkloads(
  wanted: readonly Workload[],
  options: BenchOptions,
  notes: string[],
): Promise<Report['workloads']> {
  const directory = temporaryDirectory('bench')
  await using origin = await startOrigin(directory)
  const around = { directory, origin: origin.port, originPid: origin.pid }
  const isWanted = (server: string) => {
    if (server.startsWith('sluice')) return !(options.noNet && server === 'sluice-net')
    return options.peers === undefined || options.peers.has(server)
  }
  const entries: Report['workloads'][number][] = []
  for (const workload of wanted) {
    const result = await runWorkload(workload, around, { ...options, isWanted, progress })
    notes.push(...result.notes)
    const summaries = Object.fromEntries(
      Object.entries(result.samples)
        .filter(([, samples]) => samples.length > 0)
        .map(([name, samples]) => [name, summarize(samples)]),
    )
    const { name, title, base, path } = workload
    const verdicts = judge(workload, result.samples).filter(verdict => isWanted(verdict.server))
    entries.push({ workload: { name, title, base, path }, summaries, verdicts, samples: result.samples })
  }
  return entries
}

function write(report: Report, out: string | undefined): void {
  const text = markdown(report)
  mkdirSync(RESULTS, { recursive: true })
  const name = join(RESULTS, report.when.replaceAll(':', '-'))
  writeFileSync(`${name}.json`, `${JSON.stringify(report, undefined, 2)}\n`)
  writeFileSync(`${name}.md`, text)
  if (out !== undefined) {
    mkdirSync(dirname(out), { recursive: true })
    writeFileSync(out, text)
  }
  process.stdout.write(`${text}\n${name}.json\n`)
}

function progress(line: string): void {
  if (isTerminal) process.stderr.write(`\r\x1b[K${line}`)
  else if (line) process.stderr.write(`${line}\n`)
}
