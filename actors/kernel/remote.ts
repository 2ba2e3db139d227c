import { after } from '../../runtime/clock.ts'
import { type FaultRecord, TrafficError } from '../../runtime/errors.ts'
import type { Mesh } from '../../runtime/pool/mesh.ts'
import { type Actor, kernel } from './actor.ts'
import { type ActorRef, Ask, type Terminated } from './ref.ts'

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
  readonly thread: number
  readonly resolve: (value: unknown) => void
  readonly reject: (error: TrafficError) => void
}

interface Watch {
  readonly ref: RemoteRef
  readonly onTerminated: (terminated: Terminated) => void
}

/**
 * Actors with a name, reachable from the other threads of the process: `find` gives a ref that tells, asks, watches
 * and stops like a local one. Messages between threads are plain data.
 */
export class RemoteActors {
  private readonly mesh: Mesh
  private readonly named = new Map<string, Actor<never>>()
  private readonly pending = new Map<number, Pending>()
  private readonly watches = new Map<number, Watch>()
  /** Watches that other threads have on our actors: `thread:id` to what ends them. */
  private readonly watched = new Map<string, () => void>()
  private lastId = 0

  constructor(mesh: Mesh) {
    this.mesh = mesh
    mesh.onPeer((thread, _incarnation, state) => {
      if (state === 'down') this.lost(thread)
    })
  }

  /** Makes an actor reachable by name until it stops; a later one with the same name takes its place. */
  register(name: string, actor: Actor<never>): void {
    this.named.set(name, actor)
    actor.watch(() => {
      if (this.named.get(name) === actor) this.named.delete(name)
    })
  }

  /** A ref to the actor that has this name on another thread now. Rejects with `DeadLetter` when there is none. */
  async find<M>(thread: number, name: string, deadlineMs: number): Promise<ActorRef<M>> {
    const incarnation = (await this.request(thread, id => ['find', name, id], deadlineMs, name)) as number
    return new RemoteRef(this, thread, name, incarnation) as ActorRef<M>
  }

  send(thread: number, item: Item): boolean {
    return this.mesh.send(thread, item)
  }

  request(thread: number, item: (id: number) => Item, deadlineMs: number, path: string): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const id = ++this.lastId
      const cancel = after(deadlineMs, () => {
        this.pending.delete(id)
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
      if (!this.send(thread, item(id)))
        this.pending.get(id)?.reject(new TrafficError('DeadLetter', `thread ${thread} is not there`))
    })
  }

  watch(ref: RemoteRef, onTerminated: (terminated: Terminated) => void): () => void {
    const id = ++this.lastId
    this.watches.set(id, { ref, onTerminated })
    if (!this.send(ref.thread, ['watch', ref.name, ref.incarnation, id]))
      this.terminated(id, new TrafficError('ThreadDied', `thread ${ref.thread} is not there`))
    return () => {
      if (this.watches.delete(id)) this.send(ref.thread, ['unwatch', id])
    }
  }

  private terminated(id: number, fault: TrafficError | undefined): void {
    const watch = this.watches.get(id)
    this.watches.delete(id)
    watch?.onTerminated({ path: watch.ref.path, incarnation: watch.ref.incarnation, fault })
  }

  /** Takes an item that another thread has sent. False when it is not one of ours. */
  receive(from: number, item: readonly unknown[]): boolean {
    const it = item as Item
    switch (it[0]) {
      case 'tell':
        this.local(it[1], it[2], it[3])?.tell(it[3] as never)
        return true
      case 'ask':
        this.answer(from, it[1], it[2], it[3], it[4])
        return true
      case 'find': {
        const incarnation = this.named.get(it[1])?.incarnation
        this.send(
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
    kernel.deadLetters.add({ to: `${name}#${incarnation}`, reason: 'stopped', message: typeof message })
    return undefined
  }

  private answer(from: number, name: string, incarnation: number, id: number, message: unknown): void {
    const actor = this.local(name, incarnation, message)
    if (actor === undefined) {
      this.send(from, ['refuse', id, gone(name)])
      return
    }
    const ask = new Ask(
      message,
      value => this.send(from, ['reply', id, value]),
      error => this.send(from, ['refuse', id, TrafficError.from(error).toRecord()]),
    )
    actor.deliver(actor, ask, null)
  }

  private startWatch(from: number, name: string, incarnation: number, id: number): void {
    const actor = this.named.get(name)
    if (actor?.incarnation !== incarnation) {
      this.send(from, ['terminated', id, name, null])
      return
    }
    const key = `${from}:${id}`
    this.watched.set(
      key,
      actor.watch(({ path, fault }) => {
        this.watched.delete(key)
        this.send(from, ['terminated', id, path, fault?.toRecord() ?? null])
      }),
    )
  }

  /** A thread has died: whoever waits for one of its actors is told. */
  private lost(thread: number): void {
    const fault = new TrafficError('ThreadDied', `thread ${thread}`)
    for (const pending of [...this.pending.values()]) if (pending.thread === thread) pending.reject(fault)
    for (const [id, { ref }] of [...this.watches]) if (ref.thread === thread) this.terminated(id, fault)
    for (const [key, unwatch] of [...this.watched]) {
      if (!key.startsWith(`${thread}:`)) continue
      this.watched.delete(key)
      unwatch()
    }
  }
}

const gone = (name: string): FaultRecord =>
  new TrafficError('DeadLetter', `no actor has the name '${name}'`).toRecord()

/** An actor on another thread. */
class RemoteRef implements ActorRef {
  readonly thread: number
  readonly name: string
  readonly incarnation: number
  private readonly actors: RemoteActors

  constructor(actors: RemoteActors, thread: number, name: string, incarnation: number) {
    this.actors = actors
    this.thread = thread
    this.name = name
    this.incarnation = incarnation
  }

  get path(): string {
    return `thread-${this.thread}/${this.name}`
  }

  tell(message: unknown): void {
    if (this.actors.send(this.thread, ['tell', this.name, this.incarnation, message])) return
    kernel.deadLetters.add({ to: this.path, reason: 'stopped', message: typeof message })
  }

  ask<R>(message: unknown, deadlineMs: number): Promise<R> {
    return this.actors.request(
      this.thread,
      id => ['ask', this.name, this.incarnation, id, message],
      deadlineMs,
      this.path,
    ) as Promise<R>
  }

  watch(onTerminated: (terminated: Terminated) => void): () => void {
    return this.actors.watch(this, onTerminated)
  }

  stop(): void {
    this.actors.send(this.thread, ['stop', this.name, this.incarnation])
  }
}
