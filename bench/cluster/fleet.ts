import { execFileSync } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { temporaryDirectory } from '../harness/directory.ts'
import { freePort, LOAD_CORE, SERVER_CORE, type Server, startServer } from '../harness/server.ts'
import { SLUICE } from '../peers/start.ts'

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))

/** A nats-server with JetStream in a directory of its own. */
export async function startNats(): Promise<Server> {
  const port = await freePort()
  const store = temporaryDirectory('bench-nats')
  const command = ['nats-server', '-a', '127.0.0.1', '-p', String(port), '-js', '-sd', store]
  return startServer({ name: 'nats-server', port, core: LOAD_CORE, command })
}

export interface NodePlan {
  readonly name: string
  readonly role: 'edge' | 'log'
  readonly script: string
  readonly nats: Server
  readonly cluster: string
  readonly env?: Readonly<Record<string, string>>
}

/** A node of a fleet under measurement. */
export interface BenchNode {
  readonly server: Server
  /** Where an edge listens. */
  readonly port: number
  readonly admin: number
}

export async function startNode({ name, role, script, nats, cluster, env }: NodePlan): Promise<BenchNode> {
  const [port, admin] = [await freePort(), await freePort()]
  const command = [
    process.execPath,
    SLUICE,
    here(`../scripts/${script}`),
    '--threads=1',
    '--log-level=warn',
    `--admin-port=${admin}`,
    `--nats=nats://127.0.0.1:${nats.port}`,
    `--cluster=${cluster}`,
    `--node=${name}`,
    `--roles=${role}`,
  ]
  const server = await startServer({
    name,
    port: role === 'edge' ? port : admin,
    core: role === 'edge' ? SERVER_CORE : LOAD_CORE,
    command,
    env: { PORT: String(port), ...env },
  })
  return { server, port, admin }
}

interface Row {
  readonly kind: string
  readonly accepted: number
  readonly delivered: number
  readonly inFlight: number
  readonly dropped: Readonly<Record<string, number>>
}

interface Status {
  readonly threads: readonly { readonly edges: readonly (Row & { readonly to: string })[] }[]
  readonly cluster?: { readonly members: readonly { readonly pipelines: readonly string[] }[] }
}

const statusOf = async ({ admin }: BenchNode): Promise<Status> =>
  (await (await fetch(`http://127.0.0.1:${admin}/api/v1/status`)).json()) as Status

/** The ledgers of a node of one kind, added. */
export async function ledger(node: BenchNode, kind: string): Promise<Omit<Row, 'kind'>> {
  const rows = (await statusOf(node)).threads.flatMap(({ edges }) => edges.filter(row => row.kind === kind))
  const dropped: Record<string, number> = {}
  for (const row of rows)
    for (const [reason, count] of Object.entries(row.dropped))
      dropped[reason] = (dropped[reason] ?? 0) + count
  const sum = (of: (row: Row) => number): number => rows.reduce((total, row) => total + of(row), 0)
  return {
    accepted: sum(row => row.accepted),
    delivered: sum(row => row.delivered),
    inFlight: sum(row => row.inFlight),
    dropped,
  }
}

/** Waits until an edge knows so many hosts of the pipeline. */
export async function untilKnown(edge: BenchNode, hosts: number): Promise<void> {
  for (const endMs = performance.now() + 20_000; performance.now() < endMs; await sleep(100)) {
    const members = (await statusOf(edge)).cluster?.members ?? []
    if (members.filter(({ pipelines }) => pipelines.includes('log')).length >= hosts) return
  }
  throw new Error(`the edge did not see ${hosts} loggers within 20 s`)
}

/** Why this machine cannot run the bench, if it cannot. */
export function missingNats(): string | undefined {
  try {
    execFileSync('nats-server', ['--version'])
    return undefined
  } catch {
    return 'nats-server is not installed'
  }
}
