import { Buffer } from 'node:buffer'
import type { ActorList } from '../../actors/host.ts'
import { sumLedgers } from '../../actors/kernel/ledger-sum.ts'
import { formatAddress } from '../../runtime/net/address.ts'
import type { NodeStatus } from '../admin/node-status.ts'
import type { Bus, BusMessage, Subscription } from '../bus/bus.ts'
import { ServiceInfo } from './service-info.ts'
import { type ViewAnswer, type ViewQuestion, viewSubject, viewVersion } from './view-messages.ts'

/** What a node has to tell. */
export interface Viewed {
  readonly node: string
  readonly cluster: string
  readonly version: string
  /** This life of the node; undefined: another node has taken its name. */
  incarnation(): string | undefined
  status(): Promise<NodeStatus>
  /** Of each thread. */
  actors(limit: number, pipeline: string | undefined): Promise<readonly (ActorList & { thread: number })[]>
}

/** Whatever is asked for: an answer has to fit one message. */
const mostRows = 1000

/** A node's side of `sluice nodes|actors|edges`: answers from the main thread, so that a busy thread does not matter. */
export class NodeViews {
  private readonly bus: Bus
  private readonly viewed: Viewed
  private readonly service: ServiceInfo
  private subscription: Subscription | undefined

  constructor(bus: Bus, viewed: Viewed) {
    this.bus = bus
    this.viewed = viewed
    this.service = new ServiceInfo(bus, viewed)
  }

  start(): void {
    this.subscription = this.bus.subscribe(
      viewSubject(this.viewed.cluster),
      message => void this.hear(message),
    )
    this.service.start()
  }

  stop(): void {
    this.subscription?.unsubscribe()
    this.service.stop()
  }

  private async hear({ payload, reply }: BusMessage): Promise<void> {
    const question = readQuestion(payload)
    // Whoever asks for what this version does not know is answered by those that do, and hears of our silence.
    if (reply === undefined || question === undefined) return
    const endTiming = this.service.began()
    try {
      const answer = await this.answer(question)
      this.bus.publish(reply, fitted(answer, this.bus.maxPayload))
      endTiming(undefined)
    } catch (error) {
      endTiming(String(error))
    }
  }

  private async answer({ view, limit, pipeline }: ViewQuestion): Promise<ViewAnswer> {
    const { node, version } = this.viewed
    const most = Math.min(Math.max(0, limit), mostRows)
    const base = { version: viewVersion, node, incarnation: this.viewed.incarnation() ?? null }
    if (view === 'actors') {
      const threads = await this.viewed.actors(most, pipeline)
      const total = threads.reduce((sum, { counts }) => sum + sumOf(counts), 0)
      let room = most
      const actors = threads.map(each => {
        const rows = each.actors.slice(0, room)
        room -= rows.length
        return { ...each, actors: rows }
      })
      return { ...base, actors, omitted: total - (most - room) }
    }
    const status = await this.viewed.status()
    if (view === 'nodes')
      return { ...base, summary: summaryOf(status, version), members: status.cluster?.members }
    const edges = sumLedgers(status.threads.flatMap(thread => thread.edges))
    return { ...base, edges: edges.slice(0, most), omitted: Math.max(0, edges.length - most) }
  }
}

function readQuestion(payload: Uint8Array): ViewQuestion | undefined {
  try {
    const { view, limit, pipeline } = JSON.parse(
      Buffer.from(payload).toString() || '{}',
    ) as Partial<ViewQuestion>
    const name = view ?? 'nodes'
    if (name !== 'nodes' && name !== 'actors' && name !== 'edges') return undefined
    return {
      view: name,
      limit: typeof limit === 'number' ? limit : mostRows,
      pipeline: typeof pipeline === 'string' ? pipeline : undefined,
    }
  } catch {
    return undefined
  }
}

export function summaryOf(status: NodeStatus, version: string): ViewAnswer['summary'] {
  const { stage, pid, upSeconds, generation, threadCount, restarts, threads } = status
  const listeners = threads.flatMap(thread => thread.listeners)
  return {
    stage,
    pid,
    upSeconds,
    version,
    generation,
    threads: threadCount,
    threadsServing: threads.length,
    restarts,
    sessions: threads.reduce((sum, thread) => sum + thread.sessions, 0),
    connections: listeners.reduce((sum, { connections }) => sum + connections, 0),
    deadLetters: threads.reduce((sum, thread) => sum + thread.deadLetters, 0),
    listeners: [...new Set(listeners.map(({ address, port }) => formatAddress(address, port)))],
  }
}

const sumOf = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((sum, count) => sum + count, 0)

/** The answer as bytes: half of its rows as often as it takes to fit the message. */
function fitted(answer: ViewAnswer, maxBytes: number): Uint8Array {
  const bytes = Buffer.from(JSON.stringify(answer))
  if (bytes.length <= maxBytes) return bytes
  const half = <T>(rows: readonly T[] | undefined): readonly T[] | undefined =>
    rows?.slice(0, Math.floor(rows.length / 2))
  const edges = half(answer.edges)
  const actors = answer.actors?.map(each => ({ ...each, actors: half(each.actors) ?? [] }))
  const left = (edges?.length ?? 0) + (actors?.reduce((sum, each) => sum + each.actors.length, 0) ?? 0)
  const had =
    (answer.edges?.length ?? 0) + (answer.actors?.reduce((sum, each) => sum + each.actors.length, 0) ?? 0)
  if (left === had)
    return Buffer.from(JSON.stringify({ version: answer.version, node: answer.node, omitted: had }))
  return fitted({ ...answer, edges, actors, omitted: (answer.omitted ?? 0) + had - left }, maxBytes)
}
