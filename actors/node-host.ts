import { hash } from '../runtime/api/algo/hash.ts'
import { after } from '../runtime/clock.ts'
import { TrafficError } from '../runtime/errors.ts'
import type { Message } from '../runtime/event.ts'
import type { Mesh } from '../runtime/pool/mesh.ts'
import type { Source } from '../runtime/turn.ts'
import type { Context } from './context.ts'
import { kernel } from './kernel/actor.ts'
import type { Edge } from './kernel/ledger.ts'
import { RemoteActors } from './kernel/remote.ts'
import { fromWire, toWire, wireBytes } from './kernel/wire.ts'
import { Lane, type SendItem } from './lane.ts'
import type { NodePipelines } from './node-pipelines.ts'
import type { Program } from './program.ts'
import type { SharedPipeline } from './script/assemble.ts'
import { type Outcome, SharedActor } from './shared-actor.ts'

type CreditItem = readonly ['credit', lane: number, delivered: number, deadLettered: number, bytes: number]

/** How long the actors of a pipeline that another took the place of may take to end. */
const handOverMs = 30_000

interface Hosted {
  readonly program: Program
  readonly shared: SharedPipeline
  readonly actors: Map<string, SharedActor>
}

/** A program that has entered: it stays, or leaves everything as it was. */
export interface Entry {
  confirm(): void
  undo(): void
}

/**
 * The pipelines with `placement: 'node'`: each key has one actor, on the thread that the key hashes to, for all
 * threads of the node. A message is sent whole, over the lane of its edge and thread, which bounds what is on its way.
 */
export class NodeHost implements NodePipelines {
  readonly remote: RemoteActors | undefined
  private readonly mesh: Mesh | undefined
  private readonly thread: number
  private readonly threads: number
  private readonly hosted = new Map<string, Hosted>()
  /** Actors that take nothing new and finish what they have. */
  private readonly ending = new Set<SharedActor>()
  private readonly lanes = new Map<number, Lane>()
  private readonly laneOf = new WeakMap<Edge, (Lane | undefined)[]>()
  private lastLane = 0

  constructor(mesh: Mesh | undefined, thread: number, threads: number) {
    this.mesh = mesh
    this.thread = thread
    this.threads = mesh === undefined ? 1 : threads
    if (mesh === undefined) return
    this.remote = new RemoteActors(mesh)
    mesh.onPeer((peer, _life, state) => {
      if (state === 'down') this.lost(peer)
      else this.flushLanes(peer)
    })
    mesh.onItems((from, life, items) => {
      for (const item of items) this.receive(from, life, item as readonly unknown[])
    })
  }

  /**
   * Hosts what a program shares, in the place of what had the same names before. Those are only ended when the program
   * is confirmed to run; until then it can be undone.
   */
  enter(program: Program, shared: ReadonlyMap<string, SharedPipeline>): Entry {
    const before = [...shared.keys()].map(name => [name, this.hosted.get(name)] as const)
    for (const [name, each] of shared) this.hosted.set(name, { program, shared: each, actors: new Map() })
    return {
      confirm: () => {
        for (const [, hosted] of before) if (hosted !== undefined) void this.endAll(hosted, handOverMs)
      },
      undo: () => {
        for (const [name, hosted] of before) {
          for (const actor of this.hosted.get(name)?.actors.values() ?? []) actor.stop()
          if (hosted === undefined) this.hosted.delete(name)
          else this.hosted.set(name, hosted)
        }
      },
    }
  }

  /** A program has ended: what it still hosts ends as well. */
  leave(program: Program): void {
    for (const [id, lane] of this.lanes) if (program.edges.includes(lane.edge)) this.lanes.delete(id)
    for (const [name, hosted] of this.hosted) {
      if (hosted.program !== program) continue
      this.hosted.delete(name)
      void this.endAll(hosted, handOverMs)
    }
  }

  /**
   * Ends the streams of all shared pipelines, so that they write what they have gathered. Resolves when they have, or
   * after `limitMs`. For a node that stops, when all its threads are done with their sessions; again, when shared
   * pipelines write to others.
   */
  async flush(limitMs: number): Promise<void> {
    const all = [...this.hosted.values()]
    await Promise.all(all.map(hosted => this.endAll(hosted, limitMs)))
  }

  /** What comes for their keys from now on begins new ones. */
  private async endAll({ actors }: Hosted, limitMs: number): Promise<void> {
    const all = [...actors.values()]
    actors.clear()
    await Promise.all(all.map(actor => this.end(actor, limitMs)))
  }

  private async end(actor: SharedActor, limitMs: number): Promise<void> {
    this.ending.add(actor)
    const cancel = after(limitMs, () => actor.stop())
    await actor.end()
    cancel()
    this.ending.delete(actor)
  }

  /** Ends everything now. */
  stop(): void {
    for (const { actors } of this.hosted.values()) for (const actor of actors.values()) actor.stop()
    for (const actor of this.ending) actor.stop()
    this.hosted.clear()
  }

  send(name: string, message: Message, context: Context, edge: Edge, source: Source | null): void {
    const key = this.keyFor(name, context, edge)
    let wire: SendItem[4]
    try {
      wire = toWire(message)
    } catch (thrown) {
      edge.failed(TrafficError.from(thrown).toRecord())
      edge.drop('unsendable')
      return
    }
    const lane = this.laneTo(edge, this.placeOf(name, key))
    lane.send(['send', lane.id, name, key, wire, wireBytes(message)], source)
  }

  private keyFor(name: string, context: Context, edge: Edge): string {
    try {
      return String(this.hosted.get(name)?.shared.key?.(context) ?? '')
    } catch (thrown) {
      edge.drop('no-key')
      throw thrown
    }
  }

  /** The thread that hosts a key. Threads agree on it without asking each other, and it survives their replacement. */
  private placeOf(name: string, key: string): number {
    return this.threads === 1 ? this.thread : hash(`${name}\0${key}`) % this.threads
  }

  private laneTo(edge: Edge, thread: number): Lane {
    let lanes = this.laneOf.get(edge)
    if (lanes === undefined) {
      lanes = []
      this.laneOf.set(edge, lanes)
    }
    let lane = lanes[thread]
    if (lane === undefined) {
      lane = new Lane(
        ++this.lastLane,
        edge,
        thread,
        thread === this.thread ? item => this.takeOwn(item) : item => this.mesh?.send(thread, item) === true,
      )
      lanes[thread] = lane
      this.lanes.set(lane.id, lane)
    }
    return lane
  }

  private receive(from: number, life: number, item: readonly unknown[]): void {
    if (item[0] === 'send') this.takeFrom(from, life, item as SendItem)
    else if (item[0] === 'credit') {
      const [, lane, delivered, deadLettered, bytes] = item as CreditItem
      this.lanes.get(lane)?.credit(delivered, deadLettered, bytes)
    } else this.remote?.receive(from, item)
  }

  private takeOwn([, lane, name, key, message, bytes]: SendItem): boolean {
    this.take(name, key, fromWire(message), isDelivered =>
      this.lanes.get(lane)?.credit(isDelivered ? 1 : 0, isDelivered ? 0 : 1, bytes),
    )
    return true
  }

  private takeFrom(from: number, life: number, [, lane, name, key, message, bytes]: SendItem): void {
    this.take(name, key, fromWire(message), isDelivered => {
      // The thread that took the place of a dead one numbers its own lanes: this credit is not for it.
      if (this.mesh?.incarnationOf(from) !== life) return
      const credit: CreditItem = ['credit', lane, isDelivered ? 1 : 0, isDelivered ? 0 : 1, bytes]
      this.mesh.send(from, credit)
    })
  }

  private flushLanes(thread: number): void {
    for (const lane of this.lanes.values()) if (lane.thread === thread) lane.flush()
  }

  private lost(thread: number): void {
    this.remote?.lost(thread)
    for (const lane of this.lanes.values()) if (lane.thread === thread) lane.lose()
  }

  private take(name: string, key: string, message: Message, outcome: Outcome): void {
    const hosted = this.hosted.get(name)
    if (hosted === undefined) {
      kernel.deadLetters.add({ to: name, reason: 'stopped', message: 'Message' })
      outcome(false)
      return
    }
    const { program, shared, actors } = hosted
    let actor = actors.get(key)
    if (actor === undefined) {
      const label = key === '' ? name : `${name}[${key}]`
      const forget = (): void => void actors.delete(key)
      actor = new SharedActor(program, shared, label, forget)
      actors.set(key, actor)
    }
    actor.take(message, outcome)
  }
}
