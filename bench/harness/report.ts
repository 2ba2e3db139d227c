import type { ClusterReport } from '../cluster/run.ts'
import type { Metric, Workload } from '../workloads.ts'
import type { Machine } from './machine.ts'
import type { MicroResult } from './micro.ts'
import type { BenchOptions } from './options.ts'
import { paired, type SamplesByServer, type Summary, type Verdict } from './summary.ts'

/** One run, as bench/results/<timestamp>.json holds it. */
export interface Report {
  readonly when: string
  readonly machine: Machine
  readonly rounds: number
  readonly seconds: number
  readonly connections: number
  readonly workloads: readonly {
    readonly workload: Pick<Workload, 'name' | 'title' | 'base' | 'path'>
    readonly summaries: Readonly<Record<string, Summary>>
    readonly verdicts: readonly Verdict[]
    readonly samples: SamplesByServer
  }[]
  readonly cluster?: ClusterReport | undefined
  readonly micro: readonly MicroResult[]
  readonly notes: readonly string[]
}

type Entry = Report['workloads'][number]

export function runHeader(
  options: BenchOptions,
): Pick<Report, 'when' | 'rounds' | 'seconds' | 'connections'> {
  const { rounds, seconds, connections } = options
  return { when: new Date().toISOString(), rounds, seconds, connections }
}

/** The report for people: verdicts, then one table per workload, then the method. */
export function markdown(report: Report): string {
  const parts = ['# Benchmarks', description(report)]
  const verdicts = [...report.workloads.flatMap(entry => entry.verdicts), ...(report.cluster?.verdicts ?? [])]
  if (verdicts.length > 0) parts.push('## Targets', verdictTable(verdicts))
  for (const entry of report.workloads)
    parts.push(`## ${entry.workload.name}: ${entry.workload.title}`, table(entry))
  for (const { title, rows } of report.cluster?.tables ?? []) parts.push(`## ${title}`, grid(rows, 1))
  if (report.micro.length > 0) parts.push('## Micro', microList(report.micro))
  const notes = [...report.notes, ...(report.cluster?.notes ?? [])]
  if (notes.length > 0) parts.push('## Notes', notes.map(note => `- ${oneLine(note)}`).join('\n'))
  return `${parts.join('\n\n')}\n`
}

function description({ machine, when, rounds, seconds, connections }: Report): string {
  const { cpu, cores, memoryGb, system, node, peers } = machine
  return `Written by \`npm run bench\` on ${when.slice(0, 10)}; how to run and read it: \`bench/README.md\`.

- Machine: ${cpu}, ${cores} cores, ${memoryGb} GB, ${system}
- Versions: Node ${node}, ${Object.entries(peers)
    .map(([name, version]) => `${name} ${version}`)
    .join(', ')}
- Method: each server alone on core 0 with one thread, load generator and origin on core 1; ${connections} keep-alive
  connections; one warm-up and ${rounds} measured rounds of ${seconds} s (some workloads take more and longer ones: \`bench/workloads.ts\`), servers in rotating order; medians. CPU per
  request is the kernel's account of the server's own processes and threads, divided by the requests answered.
- "×" columns and targets are medians of the ratios to the base (or differences from it) within each round. "sluice" is the default transport, "sluice-net" the one on \`node:net\`.`
}

function verdictTable(verdicts: readonly Verdict[]): string {
  const rows = verdicts.map(v => [v.workload, v.server, v.text, v.target, v.measured, v.verdict])
  return grid([['workload', 'server', 'measure', 'target', 'measured', ''], ...rows], 4)
}

function table({ workload, summaries, samples }: Entry): string {
  const base = samples[workload.base] ?? []
  const isLarge = workload.path === '/1m'
  const header = ['server', isLarge ? 'MB/s' : 'req/s', '×', isLarge ? 'CPU µs/MiB' : 'CPU µs/req', '×', '±']
  header.push('busy', 'p50 ms', 'p99 ms', '×', 'RSS MB', 'errors')
  const rate = isLarge ? 'megabytesPerSecond' : 'requestsPerSecond'
  const ratio = (name: string, metric: Metric) => ratioText(paired(samples[name] ?? [], base, metric))
  const rows = Object.entries(summaries).map(([name, s]) => [
    name === workload.base ? `${name} (base)` : name,
    s[rate].toFixed(0),
    ratio(name, rate),
    s.cpuUs.toFixed(isLarge ? 0 : 2),
    ratio(name, 'cpuUs'),
    percent(s.cpuSpread),
    percent(s.busy),
    s.p50Ms.toFixed(3),
    s.p99Ms.toFixed(3),
    ratio(name, 'p99Ms'),
    s.rssMb.toFixed(0),
    String(s.errors),
  ])
  return grid([header, ...rows], 1)
}

function microList(micro: readonly MicroResult[]): string {
  return micro
    .map(({ name, results, text, error }) => {
      const body =
        error ?? (results.length > 0 ? results.map(result => JSON.stringify(result)).join('\n') : text)
      return `### ${name}\n\n\`\`\`\n${body.trimEnd()}\n\`\`\``
    })
    .join('\n\n')
}

/** A Markdown table that is also readable as plain text; columns from `firstRight` on are flush right. */
function grid(rows: readonly (readonly string[])[], firstRight: number): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(3, ...rows.map(row => row[column]?.length ?? 0)))
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, c) => (c < firstRight ? cell.padEnd(widths[c] ?? 0) : cell.padStart(widths[c] ?? 0))).join(' | ')} |`
  const rule = `|${widths.map((width, c) => (c < firstRight ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`
  const [header = [], ...body] = rows
  return [line(header), rule, ...body.map(line)].join('\n')
}

const ratioText = (ratio: number): string => (Number.isFinite(ratio) ? ratio.toFixed(2) : '–')

const percent = (share: number) => `${(share * 100).toFixed(0)} %`
const oneLine = (text: string) => text.replace(/\s+/g, ' ').slice(0, 600)
