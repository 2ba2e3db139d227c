import { after } from '../../runtime/clock.ts'
import { type FaultRecord, TrafficError } from '../../runtime/errors.ts'
import { type Actor, describe, kernel } from './actor.ts'
import { type ActorRef, Ask, type Terminated } from './ref.ts'
import { plainCopy } from './wire.ts'

/** A thread: one of this node by its number, one of another as 'node/thread'. */
export type ThreadAddress = number | string

/** The way to the other threads. What one sends arrives in order, and once at most. */
export interface KernelRoads {
  /** Which life of a thread is there now; undefined: none. */
  incarnationOf(thread: ThreadAddress): ThreadLife | undefined
  /** False when it is not there. */
  send(thread: ThreadAddress, item: unknown): boolean
}

type ThreadLife = number | string

/** What travels between the kernels of two threads. The first element says what it is. */
type Item =
  | readonly ['tell', name: string, incarnation: number, message: unknown]
  | readonly ['ask', name: string, incarnation: number, id: number, message: unknown]
  | readonly ['find', name: string, id: number]
  | readonly ['reply', id: number, value: unknown]
  | readonly ['refuse', id: number, fault: FaultRecord]
  | readonly ['watch', name: string, incarnation: number, id: number]
  | readonly ['unwatch', id: number]
  | readonly ['terminated', id: number, path: string, fault: FaultRecord | null]
  | readonly ['stop', name: string, incarnation: number]

interface Pending {
  readonly thread: ThreadAddress
  readonly resolve: (value: unknown) => void
  readonly reject: (error: TrafficError) => void
}

interface Watch {
  readonly ref: RemoteRef
  readonly onTerminated: (terminated: Terminated) => void
}

/**
 * Actors with a name, reachable from the other threads of the process and of the cluster: `find` gives a ref that tells, asks, watches
 * and stops like a local one. Messages between threads are plain data (`plainCopy` says what that makes of others).
 */
export class RemoteActors {
  private readonly roads: KernelRoads
  private readonly named = new Map<string, Actor<never>>()
  private readonly pending = new Map<number, Pending>()
  private readonly watches = new Map<number, Watch>()
  /** Watches that other threads have on our actors: `thread:id` to what ends them. */
  private readonly watched = new Map<string, () => void>()
  private lastId = 0

  constructor(roads: KernelRoads) {
    this.roads = roads
  }

  /** Makes an actor reachable by name until it stops; a later one with the same name takes its place. */
  register(name: string, actor: Actor<never>): void {
    this.named.set(name, actor)
    actor.watch(() => {
      if (this.named.get(name) === actor) this.named.delete(name)
    })
  }

  /** A ref to the actor that has this name on another thread now. Rejects with `DeadLetter` when there is none. */
  async find<M>(thread: ThreadAddress, name: string, deadlineMs: number): Promise<ActorRef<M>> {
    const life = this.roads.incarnationOf(thread) ?? 0
    const place = { thread, life }
    const incarnation = (await this.request(place, id => ['find', name, id], deadlineMs, name)) as number
    return new RemoteRef(this, place, name, incarnation) as ActorRef<M>
  }

  /** False when the thread is not there any more: a later one in its place counts its actors from 1 again. */
  send({ thread, life }: Place, item: Item): boolean {
    return this.roads.incarnationOf(thread) === life && this.roads.send(thread, item)
  }

  /** To whoever has just sent us something. */
  private answer(thread: ThreadAddress, item: Item): void {
    this.roads.send(thread, item)
  }

  request(place: Place, item: (id: number) => Item, deadlineMs: number, path: string): Promise<unknown> {
    const { thread } = place
    return new Promise((resolve, reject) => {
      const id = ++this.lastId
      const cancel = after(deadlineMs, () => {
        this.pending.delete(id)
        this.send(place, ['unwatch', id])
        reject(new TrafficError('AskTimeout', `${path} did not reply within ${deadlineMs} ms`))
      })
      const settle =
        <T>(then: (value: T) => void) =>
        (value: T): void => {
          cancel()
          this.pending.delete(id)
          then(value)
        }
      this.pending.set(id, { thread, resolve: settle(resolve), reject: settle(reject) })
      if (!this.send(place, item(id)))
        this.pending.get(id)?.reject(new TrafficError('DeadLetter', `thread ${thread} is not there`))
    })
  }

  watch(ref: RemoteRef, onTerminated: (terminated: Terminated) => void): () => void {
    const id = ++this.lastId
    this.watches.set(id, { ref, onTerminated })
    if (!this.send(ref.place, ['watch', ref.name, ref.incarnation, id]))
      this.terminated(id, new TrafficError('ThreadDied', `thread ${ref.place.thread} is not there`))
    return () => {
      if (this.watches.delete(id)) this.send(ref.place, ['unwatch', id])
    }
  }

  private terminated(id: number, fault: TrafficError | undefined): void {
    const watch = this.watches.get(id)
    this.watches.delete(id)
    watch?.onTerminated({ path: watch.ref.path, incarnation: watch.ref.incarnation, fault })
  }

  /** Takes an item that another thread has sent. False when it is not one of ours. */
  receive(from: ThreadAddress, item: readonly unknown[]): boolean {
    const it = item as Item
    switch (it[0]) {
      case 'tell':
        this.local(it[1], it[2], it[3])?.tell(it[3] as never)
        return true
      case 'ask':
        this.startAsk(from, it[1], it[2], it[3], it[4])
        return true
      case 'find': {
        const incarnation = this.named.get(it[1])?.incarnation
        this.answer(
          from,
          incarnation === undefined ? ['refuse', it[2], gone(it[1])] : ['reply', it[2], incarnation],
        )
        return true
      }
      case 'reply':
        this.pending.get(it[1])?.resolve(it[2])
        return true
      case 'refuse':
        this.pending.get(it[1])?.reject(TrafficError.fromRecord(it[2]))
        return true
      case 'watch':
        this.startWatch(from, it[1], it[2], it[3])
        return true
      case 'unwatch': {
        const key = `${from}:${it[1]}`
        this.watched.get(key)?.()
        this.watched.delete(key)
        return true
      }
      case 'terminated':
        this.terminated(it[1], it[3] === null ? undefined : TrafficError.fromRecord(it[3]))
        return true
      case 'stop':
        this.local(it[1], it[2], 'stop')?.stop()
        return true
      default:
        return false
    }
  }

  /** The actor that a ref names, if it is still the same; what is sent to an older one is a dead letter. */
  private local(name: string, incarnation: number, message: unknown): Actor<never> | undefined {
    const actor = this.named.get(name)
    if (actor?.incarnation === incarnation) return actor
    kernel.deadLetters.add({ to: `${name}#${incarnation}`, reason: 'stopped', message: describe(message) })
    return undefined
  }

  private startAsk(
    from: ThreadAddress,
    name: string,
    incarnation: number,
    id: number,
    message: unknown,
  ): void {
    const actor = this.local(name, incarnation, message)
    if (actor === undefined) {
      this.answer(from, ['refuse', id, gone(name)])
      return
    }
    // Only its own life may answer: one that takes the thread's place may have a question with this number as well.
    const asker = this.roads.incarnationOf(from)
    const key = `${from}:${id}`
    const settle = (item: Item): void => {
      this.watched.get(key)?.()
      this.watched.delete(key)
      if (this.roads.incarnationOf(from) === asker) this.answer(from, item)
    }
    const ask = new Ask(
      message,
      value => {
        try {
          settle(['reply', id, plainCopy(value)])
        } catch (thrown) {
          settle(['refuse', id, TrafficError.from(thrown).toRecord()])
        }
      },
      error => settle(['refuse', id, TrafficError.from(error).toRecord()]),
    )
    this.watched.set(
      key,
      actor.watch(() => settle(['refuse', id, gone(name)])),
    )
    actor.deliver(actor, ask, null)
  }

  private startWatch(from: ThreadAddress, name: string, incarnation: number, id: number): void {
    const actor = this.named.get(name)
    if (actor?.incarnation !== incarnation) {
      this.answer(from, ['terminated', id, name, null])
      return
    }
    const key = `${from}:${id}`
    this.watched.set(
      key,
      actor.watch(({ path, fault }) => {
        this.watched.delete(key)
        this.answer(from, ['terminated', id, path, fault?.toRecord() ?? null])
      }),
    )
  }

  /** A thread has died: whoever waits for one of its actors is told. To be called by whoever hears of it. */
  lost(thread: ThreadAddress): void {
    const fault = new TrafficError('ThreadDied', `thread ${thread}`)
    for (const pending of [...this.pending.values()]) if (pending.thread === thread) pending.reject(fault)
    for (const [id, { ref }] of [...this.watches]) if (ref.place.thread === thread) this.terminated(id, fault)
    for (const [key, unwatch] of [...this.watched]) {
      if (!key.startsWith(`${thread}:`)) continue
      this.watched.delete(key)
      unwatch()
    }
  }
}

const gone = (name: string): FaultRecord =>
  new TrafficError('DeadLetter', `no actor has the name '${name}'`).toRecord()

/** A thread in one of its lives: one that has died and was replaced is another place. */
interface Place {
  readonly thread: ThreadAddress
  readonly life: ThreadLife
}

/** An actor on another thread. */
class RemoteRef implements ActorRef {
  readonly place: Place
  readonly name: string
  readonly incarnation: number
  private readonly actors: RemoteActors

  constructor(actors: RemoteActors, place: Place, name: string, incarnation: number) {
    this.actors = actors
    this.place = place
    this.name = name
    this.incarnation = incarnation
  }

  get path(): string {
    const { thread } = this.place
    return typeof thread === 'number' ? `thread-${thread}/${this.name}` : `${thread}/${this.name}`
  }

  tell(message: unknown): void {
    let fault: FaultRecord | undefined
    try {
      if (this.actors.send(this.place, ['tell', this.name, this.incarnation, plainCopy(message)])) return
    } catch (thrown) {
      fault = TrafficError.from(thrown).toRecord()
    }
    const reason = fault === undefined ? 'stopped' : 'failed'
    kernel.deadLetters.add({ to: this.path, reason, message: describe(message), fault })
  }

  async ask<R>(message: unknown, deadlineMs: number): Promise<R> {
    const copy = plainCopy(message)
    const item = (id: number): Item => ['ask', this.name, this.incarnation, id, copy]
    return (await this.actors.request(this.place, item, deadlineMs, this.path)) as R
  }

  watch(onTerminated: (terminated: Terminated) => void): () => void {
    return this.actors.watch(this, onTerminated)
  }

  stop(): void {
    this.actors.send(this.place, ['stop', this.name, this.incarnation])
  }
}
