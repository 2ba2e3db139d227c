/**
 * Fleets under test: real `sluice` processes around a real NATS, which tests kill, stop and continue, with traffic through
 * them, and books of what became of it. `fixtures/fleet.ts` is what they run.
 */

import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'
import type { LedgerRow } from '../../actors/host.ts'
import type { NodeStatus } from '../../cluster/admin/node-status.ts'
import { Collector } from './collector.ts'
import { FleetTraffic } from './fleet-traffic.ts'
import { freePorts } from './free-ports.ts'
import { type SluiceProcess, startSluice } from './sluice.ts'

const script = fileURLToPath(new URL('fixtures/fleet.ts', import.meta.url))

export interface FleetOptions {
  /** For `--nats`. */
  readonly nats: string
  /** Five of these without a word, and a node counts as dead. */
  readonly heartbeat?: string
  /** Variables of the environment for `fixtures/fleet.ts`. */
  readonly env?: NodeJS.ProcessEnv
}

export interface NodeOptions {
  /** Another way to NATS than that of the fleet: through a relay. */
  readonly nats?: string
  readonly env?: NodeJS.ProcessEnv
}

/** How often a condition is looked at that nothing tells of. */
const lookMs = 50

class FleetNode {
  readonly name: string
  readonly role: string
  readonly process: SluiceProcess
  isDown = false
  private admin = ''

  constructor(name: string, role: string, process: SluiceProcess) {
    this.name = name
    this.role = role
    this.process = process
  }

  async ready(): Promise<void> {
    this.admin = /http:\S+/.exec((await this.process.line(/^Admin on/)).message)?.[0] as string
  }

  /** Undefined when it does not answer. */
  async status(): Promise<NodeStatus | undefined> {
    try {
      const answer = await fetch(`${this.admin}/api/v1/status`, { signal: AbortSignal.timeout(2_000) })
      return (await answer.json()) as NodeStatus
    } catch {
      return undefined
    }
  }

  async ledgers(): Promise<LedgerRow[]> {
    return (await this.status())?.threads.flatMap(thread => thread.edges) ?? []
  }

  /** As the kernel does. */
  async kill(): Promise<void> {
    this.isDown = true
    this.process.signal('SIGKILL')
    await this.process.exited
  }

  /** It stands still, with all its connections. */
  stop(): void {
    this.process.signal('SIGSTOP')
  }

  cont(): void {
    this.process.signal('SIGCONT')
  }

  /** As an operator does: it drains and leaves. */
  async end(): Promise<void> {
    this.isDown = true
    this.process.signal('SIGTERM')
    await this.process.exited
  }
}

export class Fleet {
  readonly t: ExecutionContext
  readonly port: number
  readonly collector: Collector
  readonly nodes: FleetNode[] = []
  private readonly options: FleetOptions

  constructor(t: ExecutionContext, options: FleetOptions, port: number, collector: Collector) {
    this.t = t
    this.options = options
    this.port = port
    this.collector = collector
  }

  /** Starts a node, and resolves when it serves and all nodes see each other. */
  async start(name: string, role: string, options: NodeOptions = {}): Promise<FleetNode> {
    const { nats, heartbeat = '200ms', env } = this.options
    const process = startSluice(
      this.t,
      [
        script,
        `--nats=${options.nats ?? nats}`,
        '--cluster=test',
        `--node=${name}`,
        `--roles=${role}`,
        `--heartbeat=${heartbeat}`,
        '--threads=1',
        '--admin-port=0',
        '--reuse-port',
        '--drain-timeout=10',
      ],
      {
        env: {
          PORT: String(this.port),
          UPSTREAM: `127.0.0.1:${this.collector.port}`,
          COLLECTOR: `127.0.0.1:${this.collector.port}`,
          NODE: name,
          ...env,
          ...options.env,
        },
      },
    )
    const node = new FleetNode(name, role, process)
    this.nodes.push(node)
    await node.ready()
    await this.whole()
    return node
  }

  get running(): readonly FleetNode[] {
    return this.nodes.filter(({ isDown }) => !isDown)
  }

  /** Resolves when each node that runs sees all of them and nobody else, in service. */
  async whole(among: readonly FleetNode[] = this.running): Promise<void> {
    const wanted = among.map(({ name }) => name).sort()
    await this.until(`${wanted.join(', ')} see each other`, async () => {
      const views = await Promise.all(among.map(node => node.status()))
      return views.every(view => {
        const serving = view?.cluster?.members.filter(
          ({ state, threads, pipelines, roles }) =>
            state === 'serving' &&
            threads.every(life => life > 0) &&
            (!roles?.includes('log') || pipelines.length > 0),
        )
        return JSON.stringify(serving?.map(({ name }) => name)) === JSON.stringify(wanted)
      })
    })
  }

  /** Waits until something holds; the test fails, and says what, when it does not in time. */
  async until(what: string, holds: () => Promise<boolean>, limitMs = 20_000): Promise<void> {
    const endMs = performance.now() + limitMs
    while (!(await holds())) {
      if (performance.now() > endMs) {
        for (const { name, process } of this.nodes) this.t.log(`${name}:\n${process.stderr.slice(-4_000)}`)
        throw new Error(`not within ${limitMs} ms: ${what}`)
      }
      await pause(lookMs)
    }
  }

  /** Requests through the edge nodes, until they are ended. */
  traffic(perSecond = 300, bodyBytes = 0): FleetTraffic {
    const traffic = new FleetTraffic(this.port, perSecond, bodyBytes)
    this.t.teardown(() => traffic.end())
    return traffic
  }

  /** The edges of the nodes that run. All must balance. */
  async ledgers(): Promise<LedgerRow[]> {
    const rows = (await Promise.all(this.running.map(node => node.ledgers()))).flat()
    for (const row of rows) {
      const { accepted, delivered, duplicate, deadLettered, inFlight } = row
      this.t.is(
        accepted,
        delivered + duplicate + deadLettered + droppedOf(row) + inFlight,
        `the ledger of ${row.from} to ${row.to} does not balance: ${JSON.stringify(row)}`,
      )
    }
    return rows
  }

  /**
   * Resolves when nothing is in flight to a pipeline any more. Gives the sum of the ledgers of those who sent to it: with
   * delivery at least once, those from the forks into the stream.
   */
  async settled(to: 'live' | 'kept', limitMs?: number): Promise<Books> {
    let books: Books | undefined
    let rows: LedgerRow[] = []
    await this.until(
      `nothing is in flight to '${to}'`,
      async () => {
        rows = (await this.ledgers()).filter(row => row.to === to)
        books = add(rows.filter(({ kind }) => kind === 'fork'))
        return rows.every(({ inFlight }) => inFlight === 0)
      },
      limitMs,
    ).catch(error => {
      this.t.log(rows)
      throw error
    })
    return books as Books
  }
}

/** Events that came to a host after another had had them, and may have been done twice. */
export const redelivered = (rows: readonly LedgerRow[]): number =>
  rows.reduce((sum, row) => sum + (row.redelivered ?? 0), 0)

/** Sums over edges. */
export interface Books {
  accepted: number
  delivered: number
  duplicate: number
  deadLettered: number
  dropped: Record<string, number>
  inFlight: number
}

export const droppedOf = ({ dropped }: Pick<LedgerRow, 'dropped'>): number =>
  Object.values(dropped).reduce((sum, count) => sum + count, 0)

export function add(rows: readonly LedgerRow[]): Books {
  const books: Books = { accepted: 0, delivered: 0, duplicate: 0, deadLettered: 0, dropped: {}, inFlight: 0 }
  for (const row of rows) {
    for (const field of ['accepted', 'delivered', 'duplicate', 'deadLettered', 'inFlight'] as const)
      books[field] += row[field]
    for (const [reason, count] of Object.entries(row.dropped))
      books.dropped[reason] = (books.dropped[reason] ?? 0) + count
  }
  return books
}

/** A fleet with an edge node and so many logging nodes, which see each other. */
export async function startFleet(
  t: ExecutionContext,
  options: FleetOptions & { readonly loggers?: number },
): Promise<Fleet> {
  const fleet = new Fleet(t, options, await freePorts(1), await Collector.start(t))
  const names = Array.from({ length: options.loggers ?? 2 }, (_, i) => `log-${i + 1}`)
  await Promise.all([fleet.start('edge-1', 'edge'), ...names.map(name => fleet.start(name, 'log'))])
  await fleet.whole()
  return fleet
}
