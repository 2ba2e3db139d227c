import { hash } from '../../runtime/api/algo/hash.ts'
import { after } from '../../runtime/clock.ts'
import { TrafficError } from '../../runtime/errors.ts'
import type { Message } from '../../runtime/event.ts'
import type { Mesh } from '../../runtime/pool/mesh.ts'
import type { Source } from '../../runtime/turn.ts'
import type { Context } from '../context.ts'
import type { ActorList, ActorRow, PipelineLoad } from '../host.ts'
import { kernel } from '../kernel/actor.ts'
import type { Edge } from '../kernel/ledger.ts'
import { type KernelRoads, RemoteActors } from '../kernel/remote.ts'
import { fromWire, toWire, type WireMessage, wireBytes } from '../kernel/wire.ts'
import type { Program } from '../program.ts'
import { AskedPipeline } from './asked-pipeline.ts'
import {
  type ClusterLink,
  type ClusterReceiver,
  type FarKernels,
  type Sending,
  threadOfShard,
} from './cluster-link.ts'
import { type SendItem, ThreadLane } from './lane.ts'
import { type Question, type QuestionItem, Questions, type TakeAnswer } from './questions.ts'
import { SharedActor } from './shared-actor.ts'
import type { SharedPipeline, SharedPipelines, TakeReply } from './shared-pipelines.ts'
import { Once, type Outcome, type Work } from './work.ts'

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
 * The pipelines that this thread shares with others. With `placement: 'node'` each key has one actor for all threads of
 * the node, on the thread that the key hashes to; with `'cluster'`, one for all nodes, which the link to the cluster
 * finds. A message is sent whole, over the lane of its edge and thread, which bounds what is on its way.
 */
export class NodeHost implements SharedPipelines, ClusterReceiver {
  readonly remote: RemoteActors | undefined
  private readonly mesh: Mesh | undefined
  private readonly thread: number
  private readonly threads: number
  private readonly cluster: ClusterLink | undefined
  private readonly questions: Questions
  private readonly hosted = new Map<string, Hosted>()
  /** Actors that take nothing new and finish what they have. */
  private readonly ending = new Set<SharedActor>()
  /** By pipeline and key: whose successor waits, so that messages of a key stay in order. */
  private readonly endings = new Map<string, Promise<void>>()
  private readonly lanes = new Map<number, ThreadLane>()
  private readonly laneOf = new WeakMap<Edge, (ThreadLane | undefined)[]>()
  private lastLane = 0

  constructor(mesh: Mesh | undefined, thread: number, threads: number, cluster?: ClusterLink) {
    this.mesh = mesh
    this.thread = thread
    this.threads = mesh === undefined ? 1 : threads
    this.cluster = cluster
    this.questions = new Questions({
      send: (to, item) => mesh?.send(to, item) === true,
      answerHere: (question, take) => this.answerHere(question, take),
    })
    cluster?.attach(this)
    const far = cluster?.kernels
    if (mesh !== undefined || far !== undefined) this.remote = new RemoteActors(kernelRoads(mesh, far))
    far?.attach({
      receive: (from, item) => this.remote?.receive(from, item),
      lost: from => this.remote?.lost(from),
    })
    if (mesh === undefined) return
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
        this.tellCluster()
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

  private tellCluster(): void {
    this.cluster?.know(
      [...this.hosted.values()]
        .map(({ shared }) => shared)
        .filter(({ placement }) => placement === 'cluster'),
    )
  }

  /** A program has ended: what it still hosts ends as well. */
  leave(program: Program): void {
    this.cluster?.leave(program.edges)
    for (const [id, lane] of this.lanes) if (program.edges.includes(lane.edge)) this.lanes.delete(id)
    for (const [name, hosted] of this.hosted) {
      if (hosted.program !== program) continue
      this.hosted.delete(name)
      void this.endAll(hosted, handOverMs)
    }
    this.tellCluster()
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

  /** What comes for their keys from now on is for new ones, which begin when these have ended. */
  private async endAll({ shared, actors }: Hosted, limitMs: number): Promise<void> {
    const all = [...actors]
    actors.clear()
    await Promise.all(all.map(([key, actor]) => this.endOne(`${shared.name}\0${key}`, actor, limitMs)))
  }

  private async endOne(id: string, actor: SharedActor, limitMs: number): Promise<void> {
    const ended = this.end(actor, limitMs)
    this.endings.set(id, ended)
    await ended
    if (this.endings.get(id) === ended) this.endings.delete(id)
  }

  private async end(actor: SharedActor, limitMs: number): Promise<void> {
    this.ending.add(actor)
    const cancel = after(limitMs, () => actor.stop())
    await actor.end()
    cancel()
    this.ending.delete(actor)
  }

  /** What waits for the actors on this thread, by pipeline. */
  loads(): PipelineLoad[] {
    return [...this.hosted]
      .filter(([, { shared }]) => shared.isHosted)
      .map(([pipeline, { actors }]) => ({
        pipeline,
        actors: actors.size,
        waiting: actors.values().reduce((sum, actor) => sum + actor.backlog, 0),
        waitingMs: actors.values().reduce((most, actor) => Math.max(most, actor.waitingMs), 0),
      }))
  }

  /**
   * The actors on this thread: how many, and at most `limit` of them.
   *
   * @param pipeline only those of this one
   */
  actors(limit: number, pipeline?: string): ActorList {
    const counts: Record<string, number> = {}
    const rows: ActorRow[] = []
    for (const [name, { shared, actors }] of this.hosted) {
      if (!shared.isHosted || (pipeline !== undefined && pipeline !== name)) continue
      counts[name] = actors.size
      for (const [key, actor] of actors) {
        if (rows.length >= limit) break
        const { state, backlog: waiting } = actor
        // Keys come from clients, who may write long ones.
        rows.push({ pipeline: name, placement: shared.placement, key: key.slice(0, 200), state, waiting })
      }
    }
    return { counts, actors: rows }
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
    const pipeline = this.hosted.get(name)?.shared
    if (pipeline === undefined) {
      kernel.deadLetters.add({ to: name, reason: 'stopped', message: 'Message' })
      edge.deadLettered++
      return
    }
    const sending: Sending = { pipeline, key, wire, bytes: wireBytes(message) }
    if (this.cluster !== undefined && pipeline.placement === 'cluster')
      this.cluster.send(sending, edge, source)
    else this.sendWithin(sending, edge, source)
  }

  sendWithin({ pipeline, key, wire, bytes }: Sending, edge: Edge, source: Source | null): void {
    const lane = this.laneTo(edge, this.placeOf(pipeline, key))
    lane.send(['send', lane.id, pipeline.name, key, wire, bytes], bytes, source)
  }

  ask(name: string, message: Message, context: Context, deadlineMs: number, take: TakeReply): void {
    const pipeline = this.hosted.get(name)?.shared
    if (pipeline === undefined) {
      take(new TrafficError('DeadLetter', `the program of pipeline '${name}' has ended`))
      return
    }
    const key = String(pipeline.key?.(context) ?? '')
    const question: Question = { name, key, wire: toWire(message), deadlineMs }
    const takeWire: TakeAnswer = answer => take(answer instanceof TrafficError ? answer : fromWire(answer))
    if (this.cluster !== undefined && pipeline.placement === 'cluster')
      this.cluster.ask(pipeline, question, takeWire)
    else this.askWithin(pipeline, question, takeWire)
  }

  askWithin(pipeline: SharedPipeline, question: Question, take: TakeAnswer): void {
    const thread = this.placeOf(pipeline, question.key)
    if (thread === this.thread) this.answerHere(question, take)
    else this.questions.ask(thread, question, take)
  }

  answerHere(question: Question, take: TakeAnswer): void {
    const maxBytes = this.hosted.get(question.name)?.shared.maxMessageBytes ?? 0
    this.accept(question.name, question.key, new AskedPipeline(question, maxBytes, take))
  }

  markWithin(edge: Edge): () => boolean {
    const marks = (this.laneOf.get(edge) ?? []).map(lane => ({ lane, mark: lane?.sent ?? 0 }))
    return () => marks.every(({ lane, mark }) => lane === undefined || lane.settled >= mark)
  }

  handOver(isOurs: (pipeline: SharedPipeline, key: string) => boolean): void {
    for (const { shared, actors } of this.hosted.values()) {
      if (shared.placement !== 'cluster' || shared.delivery !== 'at-most-once') continue
      for (const [key, actor] of actors) {
        if (isOurs(shared, key)) continue
        actors.delete(key)
        void this.endOne(`${shared.name}\0${key}`, actor, handOverMs)
      }
    }
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
  private placeOf({ name, placement, shards }: SharedPipeline, key: string): number {
    if (this.threads === 1) return this.thread
    const hashed = hash(`${name}\0${key}`)
    return placement === 'node' ? hashed % this.threads : threadOfShard(hashed % shards, this.threads)
  }

  private laneTo(edge: Edge, thread: number): ThreadLane {
    let lanes = this.laneOf.get(edge)
    if (lanes === undefined) {
      lanes = []
      this.laneOf.set(edge, lanes)
    }
    let lane = lanes[thread]
    if (lane === undefined) {
      lane = new ThreadLane(
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
    } else if (this.remote?.receive(from, item) !== true) this.hearQuestion(from, life, item)
  }

  private hearQuestion(from: number, life: number, item: readonly unknown[]): void {
    this.questions.receive(item as QuestionItem, reply => {
      // The thread that took the place of a dead one numbers its own questions: this answer is not for it.
      if (this.mesh?.incarnationOf(from) === life) this.mesh.send(from, reply)
    })
  }

  private takeOwn([, lane, name, key, message, bytes]: SendItem): boolean {
    this.take(name, key, message, isDelivered =>
      this.lanes.get(lane)?.credit(isDelivered ? 1 : 0, isDelivered ? 0 : 1, bytes),
    )
    return true
  }

  private takeFrom(from: number, life: number, [, lane, name, key, message, bytes]: SendItem): void {
    this.take(name, key, message, isDelivered => {
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
    this.questions.lost(thread)
    for (const lane of this.lanes.values()) if (lane.thread === thread) lane.lose('thread-died')
  }

  take(name: string, key: string, wire: WireMessage, outcome: Outcome): void {
    this.accept(name, key, new Once(fromWire(wire), outcome))
  }

  hurry(name: string): void {
    for (const actor of this.hosted.get(name)?.actors.values() ?? []) actor.hurry()
  }

  accept(name: string, key: string, work: Work): void {
    const hosted = this.hosted.get(name)
    if (hosted?.shared.isHosted !== true) {
      kernel.deadLetters.add({ to: name, reason: 'stopped', message: 'Message' })
      work.returned()
      return
    }
    const { program, shared, actors } = hosted
    let actor = actors.get(key)
    if (actor === undefined) {
      const label = key === '' ? name : `${name}[${key}]`
      const forget = (): void => void actors.delete(key)
      const successor = new SharedActor(program, shared, label, forget)
      actors.set(key, successor)
      const ending = this.endings.get(`${name}\0${key}`)
      if (ending !== undefined) {
        successor.pause()
        void ending.then(() => successor.resume())
      }
      actor = successor
    }
    actor.accept(work)
  }
}

/** To threads of this node over the mesh, to those of others over the cluster. */
const kernelRoads = (mesh: Mesh | undefined, far: FarKernels | undefined): KernelRoads => ({
  incarnationOf: thread =>
    typeof thread === 'number' ? mesh?.incarnationOf(thread) : far?.incarnationOf(thread),
  send: (thread, item) =>
    (typeof thread === 'number' ? mesh?.send(thread, item) : far?.send(thread, item)) === true,
})
