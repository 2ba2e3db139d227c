import { hash } from '../runtime/api/algo/hash.ts'
import { after } from '../runtime/clock.ts'
import { type Event, Kind, type Message } from '../runtime/event.ts'
import type { Mesh } from '../runtime/pool/mesh.ts'
import { type Source, turn } from '../runtime/turn.ts'
import type { Context } from './context.ts'
import type { Latin1 } from './filter.ts'
import { emitMessage } from './filters/replacement.ts'
import { kernel } from './kernel/actor.ts'
import { Backoff } from './kernel/backoff.ts'
import type { Edge } from './kernel/ledger.ts'
import { RemoteActors } from './kernel/remote.ts'
import { fromWire, toWire, type WireMessage, wireBytes } from './kernel/wire.ts'
import type { NodePipelines } from './node-pipelines.ts'
import type { PipelineLayout } from './pipeline.ts'
import type { Program } from './program.ts'
import type { SharedPipeline } from './script/assemble.ts'
import { Session } from './session.ts'

/** Messages and bytes that may be on their way to one thread over one edge. */
const window = { messages: 1024, bytes: 1024 * 1024 }

type SendItem = readonly [
  'send',
  lane: number,
  name: string,
  key: string,
  message: WireMessage,
  bytes: number,
]
type CreditItem = readonly ['credit', lane: number, delivered: number, deadLettered: number, bytes: number]

/** The messages of one edge on their way to one thread. */
interface Lane {
  readonly id: number
  readonly edge: Edge
  readonly thread: number
  messages: number
  bytes: number
  /** With policy `block`: what waits for room, and who sent it. */
  readonly queue: SendItem[]
  readonly paused: Set<Source>
}

/** What came of a message, for the lane that it came over. */
type Outcome = (isDelivered: boolean) => void

/**
 * The session of a shared pipeline: one per key on this node. It outlives the sessions that send to it; when its
 * script throws it starts again after a while with a new incarnation, and what came meanwhile waits.
 */
class SharedSession extends Session {
  private readonly label: string
  private readonly onFailed: () => void

  constructor(program: Program, layout: PipelineLayout, label: string, onFailed: () => void) {
    super(program, layout, program.newContext(undefined))
    this.label = label
    this.onFailed = onFailed
  }

  override get name(): string {
    return this.label ?? 'shared'
  }

  override process(event: Event | Latin1): void {
    if (event.kind === Kind.streamEnd) this.stop()
  }

  protected override stopped(): void {
    super.stopped()
    this.onFailed()
  }
}

/** Keeps the shared pipeline of one key alive. */
class SharedActor {
  private session: SharedSession | undefined
  private readonly make: (onEnded: () => void) => SharedSession
  private readonly backoff = new Backoff()
  private readonly waiting: { message: Message; outcome: Outcome }[] = []
  private isResting = false
  private isOver = false

  constructor(make: (onEnded: () => void) => SharedSession) {
    this.make = make
  }

  take(message: Message, outcome: Outcome): void {
    if (this.isOver) outcome(false)
    else if (this.isResting) {
      if (this.waiting.length < window.messages) this.waiting.push({ message, outcome })
      else outcome(false)
    } else this.give(message, outcome)
  }

  private give(message: Message, outcome: Outcome): void {
    this.session ??= this.make(() => this.rest())
    const { session } = this
    emitMessage(message, { takesText: false, process: event => session.deliver(session.first, event, null) })
    outcome(true)
  }

  /** It has ended, by a fault or of its own will: the next one comes after a while. */
  private rest(): void {
    this.session = undefined
    if (this.isOver) return
    this.isResting = true
    after(this.backoff.next(), () => {
      this.isResting = false
      turn.begin(null)
      for (const { message, outcome } of this.waiting.splice(0)) this.take(message, outcome)
      turn.end()
    })
  }

  stop(): void {
    this.isOver = true
    for (const { outcome } of this.waiting.splice(0)) outcome(false)
    this.session?.stop()
  }
}

interface Hosted {
  readonly program: Program
  readonly shared: SharedPipeline
  readonly actors: Map<string, SharedActor>
}

/**
 * The pipelines with `placement: 'node'`: each key has one actor, on the thread that the key hashes to, for all
 * threads of the node.
 *
 * A message is sent whole. It takes room in the window of its edge until the actor has processed it and the credit
 * has come back; without room it is dropped and counted (`drop`), or it waits and its source is paused (`block`).
 */
export class NodeHost implements NodePipelines {
  readonly remote: RemoteActors | undefined
  private readonly mesh: Mesh | undefined
  private readonly thread: number
  private readonly threads: number
  private readonly hosted = new Map<string, Hosted>()
  private readonly lanes = new Map<number, Lane>()
  private readonly laneOf = new WeakMap<Edge, (Lane | undefined)[]>()
  private lastLane = 0

  constructor(mesh: Mesh | undefined, thread: number, threads: number) {
    this.mesh = mesh
    this.thread = thread
    this.threads = mesh === undefined ? 1 : threads
    if (mesh === undefined) return
    this.remote = new RemoteActors(mesh)
    mesh.onPeer((peer, _incarnation, state) => {
      if (state === 'down') this.lost(peer)
      else this.flushLanes(peer)
    })
    mesh.onItems((from, _incarnation, items) => {
      for (const item of items) this.receive(from, item as readonly unknown[])
    })
  }

  /** Hosts what a program shares; a later program takes the place of one before under the same name. */
  enter(program: Program, shared: ReadonlyMap<string, SharedPipeline>): void {
    for (const [name, each] of shared) {
      const before = this.hosted.get(name)
      this.hosted.set(name, { program, shared: each, actors: new Map() })
      if (before !== undefined) stopAll(before)
    }
  }

  leave(program: Program): void {
    for (const [name, hosted] of this.hosted) {
      if (hosted.program !== program) continue
      this.hosted.delete(name)
      stopAll(hosted)
    }
  }

  stop(): void {
    for (const hosted of this.hosted.values()) stopAll(hosted)
    this.hosted.clear()
  }

  send(name: string, message: Message, context: Context, edge: Edge, source: Source | null): void {
    const key = String(this.hosted.get(name)?.shared.key?.(context) ?? '')
    const thread = this.placeOf(name, key)
    if (thread === this.thread) {
      edge.inFlight++
      this.take(name, key, fromWire(toWire(message)), isDelivered => {
        edge.inFlight--
        if (isDelivered) edge.delivered++
        else edge.deadLettered++
      })
      return
    }
    this.sendOver(this.laneTo(edge, thread), name, key, message, source)
  }

  /** The thread that hosts a key. Threads agree on it without asking each other, and it survives their replacement. */
  private placeOf(name: string, key: string): number {
    return this.threads === 1 ? this.thread : firstThread + (hash(`${name}\0${key}`) % this.threads)
  }

  private laneTo(edge: Edge, thread: number): Lane {
    let lanes = this.laneOf.get(edge)
    if (lanes === undefined) {
      lanes = []
      this.laneOf.set(edge, lanes)
    }
    let lane = lanes[thread]
    if (lane === undefined) {
      lane = { id: ++this.lastLane, edge, thread, messages: 0, bytes: 0, queue: [], paused: new Set() }
      lanes[thread] = lane
      this.lanes.set(lane.id, lane)
    }
    return lane
  }

  private sendOver(lane: Lane, name: string, key: string, message: Message, source: Source | null): void {
    const { edge } = lane
    const bytes = wireBytes(message)
    const item: SendItem = ['send', lane.id, name, key, toWire(message), bytes]
    const hasRoom =
      lane.queue.length === 0 &&
      lane.messages < window.messages &&
      (lane.bytes + bytes <= window.bytes || lane.messages === 0)
    if (hasRoom && this.post(lane, item)) return
    if (edge.policy === 'drop') {
      edge.drop(hasRoom ? 'thread-down' : 'window')
      return
    }
    // A paused source sends no more; what has no source cannot be paused, and is bounded by the window all the same.
    if (source === null && lane.queue.length >= window.messages) {
      edge.drop('window')
      return
    }
    lane.queue.push(item)
    edge.inFlight++
    if (source !== null && !lane.paused.has(source)) {
      lane.paused.add(source)
      source.pause()
    }
  }

  private post(lane: Lane, item: SendItem): boolean {
    if (this.mesh?.send(lane.thread, item) !== true) return false
    lane.messages++
    lane.bytes += item[5]
    lane.edge.inFlight++
    return true
  }

  private receive(from: number, item: readonly unknown[]): void {
    if (item[0] === 'send') this.receiveMessage(from, item as SendItem)
    else if (item[0] === 'credit') this.receiveCredit(item as CreditItem)
    else this.remote?.receive(from, item)
  }

  private receiveMessage(from: number, [, lane, name, key, message, bytes]: SendItem): void {
    this.take(name, key, fromWire(message), isDelivered => {
      this.mesh?.send(from, [
        'credit',
        lane,
        isDelivered ? 1 : 0,
        isDelivered ? 0 : 1,
        bytes,
      ] satisfies CreditItem)
    })
  }

  private receiveCredit([, id, delivered, deadLettered, bytes]: CreditItem): void {
    const lane = this.lanes.get(id)
    if (lane === undefined) return
    const messages = delivered + deadLettered
    lane.messages -= messages
    lane.bytes -= bytes
    lane.edge.inFlight -= messages
    lane.edge.delivered += delivered
    lane.edge.deadLettered += deadLettered
    this.flushLane(lane)
  }

  private flushLane(lane: Lane): void {
    while (lane.queue.length > 0 && lane.messages < window.messages) {
      const item = lane.queue[0] as SendItem
      if (lane.messages > 0 && lane.bytes + item[5] > window.bytes) return
      if (!this.post(lane, item)) return
      lane.queue.shift()
      lane.edge.inFlight--
    }
    for (const source of lane.paused) source.resume()
    lane.paused.clear()
  }

  private flushLanes(thread: number): void {
    for (const lane of this.lanes.values()) if (lane.thread === thread) this.flushLane(lane)
  }

  /** A thread has died: nobody knows what it did with what was on its way, and at most once means not to send again. */
  private lost(thread: number): void {
    this.remote?.lost(thread)
    for (const lane of this.lanes.values()) {
      if (lane.thread !== thread || lane.messages === 0) continue
      lane.edge.inFlight -= lane.messages
      lane.edge.drop('thread-died', lane.messages)
      lane.messages = 0
      lane.bytes = 0
    }
  }

  private take(name: string, key: string, message: Message, outcome: Outcome): void {
    const hosted = this.hosted.get(name)
    if (hosted === undefined) {
      kernel.deadLetters.add({ to: name, reason: 'stopped', message: 'Message' })
      outcome(false)
      return
    }
    let actor = hosted.actors.get(key)
    if (actor === undefined) {
      const { program, shared } = hosted
      const label = key === '' ? name : `${name}[${key}]`
      actor = new SharedActor(onEnded => new SharedSession(program, shared.layout, label, onEnded))
      hosted.actors.set(key, actor)
    }
    actor.take(message, outcome)
  }
}

/** Number of the first thread of the pool. */
const firstThread = 0

function stopAll(hosted: Hosted): void {
  for (const actor of hosted.actors.values()) actor.stop()
}
