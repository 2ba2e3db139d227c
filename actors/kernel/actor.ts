// Hot path: `deliver` is under every event of every pipeline. It must not allocate, await, or format text.

import { after } from '../../runtime/clock.ts'
import { TrafficError } from '../../runtime/errors.ts'
import { Data } from '../../runtime/event.ts'
import type { TraceContext } from '../../runtime/trace/trace-context.ts'
import { tracing } from '../../runtime/trace/tracing.ts'
import { turn } from '../../runtime/turn.ts'
import { DeadLetters } from './dead-letters.ts'
import type { Edge } from './ledger.ts'
import { Mailbox, type Port, weigh } from './mailbox.ts'
import { type ActorRef, Ask, type Terminated } from './ref.ts'

/** `ready`: it has mail that waits for a flatter stack. */
const Status = { idle: 0, running: 1, ready: 2, stopping: 3, stopped: 4 } as const

/** Messages and bytes that may wait in a mailbox. A source is paused at the limit; what has no source is refused. */
export const mailboxLimits = { messages: 4096, bytes: 1024 * 1024 }

/**
 * How deep sends may nest before the next one is queued instead of called: 100 levels are about 40 kB of stack, far
 * from V8's limit of 984 kB even with a script's own recursion on top.
 */
const maxDepth = 100

interface Watch {
  readonly onTerminated: (terminated: Terminated) => void
}

/** What the actors of one thread share. */
class Kernel {
  depth = 0
  /** Actors with mail that must not be called deeper in this stack. */
  readonly ready: Actor[] = []
  readonly deadLetters = new DeadLetters()
  private incarnations = 0

  nextIncarnation(): number {
    return ++this.incarnations
  }

  /** Runs what was postponed, now that the stack is flat again. */
  runReady(): void {
    for (let i = 0; i < this.ready.length; i++) (this.ready[i] as Actor).resume()
    this.ready.length = 0
  }
}

/** The kernel of this thread. */
export const kernel = new Kernel()

/**
 * One unit of state that processes one message at a time.
 *
 * ▲ A local send is a call: `deliver` to an idle actor runs it at once, and only a busy receiver (one that is further
 * up in the same call stack) queues. What a message is for is told by its port: a filter of a pipeline, or the
 * actor's own behaviour.
 *
 *     idle ──deliver──► running ──► idle          stop(): stopping ──► stopped, mail goes to dead letters
 *       └──too deep──► ready ──▲ mail             throw:  failed(), then the same
 */
export abstract class Actor<M = unknown> implements ActorRef<M>, Port {
  readonly incarnation: number = kernel.nextIncarnation()
  private status: number = Status.idle
  private mailbox: Mailbox | null = null
  private watchers: Set<Watch> | null = null
  private reason: TrafficError | undefined

  /** Names the actor in logs and dead letters. */
  abstract get path(): string

  /** Where in a trace its work stands; null: nowhere. */
  get trace(): TraceContext | null {
    return null
  }

  /** Behaviour for messages sent with `tell` and `ask` (those as `Ask`). */
  abstract process(message: never): void

  /** A message made it throw. The actor is stopped right after; an override tells whoever waits for it. */
  protected failed(_fault: TrafficError, _message: unknown): void {}

  /** It has stopped, of whatever cause: give back what it holds. */
  protected stopped(): void {}

  /** What it has failed of, if it has. */
  get fault(): TrafficError | undefined {
    return this.reason
  }

  /** It processes a message, or has some to process. */
  get isAtWork(): boolean {
    return this.status !== Status.idle && this.status !== Status.stopped
  }

  get isStopped(): boolean {
    return this.status >= Status.stopping
  }

  tell(message: M): void {
    this.deliver(this, message, null)
  }

  ask<R = unknown>(message: M, deadlineMs: number): Promise<R> {
    return new Promise<R>((resolve, reject) => {
      const cancel = after(deadlineMs, () => {
        unwatch()
        reject(new TrafficError('AskTimeout', `${this.path} did not reply within ${deadlineMs} ms`))
      })
      const unwatch = this.watch(({ path }) => {
        cancel()
        reject(new TrafficError('DeadLetter', `${path} has stopped`))
      })
      const settle =
        <T>(then: (value: T) => void) =>
        (value: T): void => {
          cancel()
          unwatch()
          then(value)
        }
      this.deliver(this, new Ask(message, settle(resolve as (value: unknown) => void), settle(reject)), null)
    })
  }

  /**
   * Gives `message` to `port` of this actor: at once when it is idle, else after what came before. `edge` is the
   * ledger that accepted the message, if it came over one.
   */
  deliver(port: Port, message: unknown, edge: Edge | null): void {
    if (this.status === Status.idle && kernel.depth < maxDepth) {
      this.status = Status.running
      kernel.depth++
      const { tracer, atWork } = tracing
      if (tracer !== null) tracing.atWork = this
      // Counted before it is processed, so that the ledger balances for whoever looks at it meanwhile.
      if (edge !== null) edge.delivered++
      try {
        port.process(message as never)
      } catch (thrown) {
        this.fail(thrown, message, edge)
      }
      if (this.mailbox !== null) this.empty(this.mailbox)
      if (tracer !== null) tracing.atWork = atWork
      kernel.depth--
      if (this.status === Status.running) this.status = Status.idle
      else if (this.status === Status.stopping) this.terminate()
      if (kernel.depth === 0 && kernel.ready.length > 0) kernel.runReady()
      return
    }
    this.post(port, message, edge)
  }

  /**
   * Runs `work` as this actor, as `deliver` does with a message: for entries from outside, like a settled promise.
   * When the actor has stopped there is nothing left to do, and it is not run.
   */
  run(work: () => void): void {
    if (!this.isStopped) this.deliver({ process: work }, undefined, null)
  }

  private empty(mailbox: Mailbox): void {
    while (this.status === Status.running && mailbox.shift()) {
      const { message, edge } = mailbox
      if (edge !== null) {
        edge.inFlight--
        edge.delivered++
      }
      try {
        ;(mailbox.port as Port).process(message as never)
      } catch (thrown) {
        this.fail(thrown, message, edge)
      }
    }
    mailbox.port = null
    mailbox.message = null
  }

  /** Goes on with the mail that had to wait for a flatter stack. */
  resume(): void {
    if (this.status !== Status.ready) return
    this.status = Status.running
    kernel.depth++
    this.empty(this.mailbox as Mailbox)
    kernel.depth--
    if (this.status === Status.running) this.status = Status.idle
    else if (this.status === Status.stopping) this.terminate()
  }

  private post(port: Port, message: unknown, edge: Edge | null): void {
    if (this.status >= Status.stopping) {
      this.bury(message, edge, 'stopped')
      return
    }
    this.mailbox ??= new Mailbox()
    const { count, bytes } = this.mailbox
    if (count >= mailboxLimits.messages || bytes + weigh(message) > mailboxLimits.bytes) {
      if (edge?.policy === 'drop') {
        edge.drop('mailbox-full')
        return
      }
      if (!this.admits(count)) {
        this.bury(message, edge, 'mailbox-full')
        return
      }
      this.congest()
    }
    if (message instanceof Data) message.keep()
    this.mailbox.push(port, message, edge)
    if (edge !== null) edge.inFlight++
    if (this.status === Status.idle) {
      this.status = Status.ready
      kernel.ready.push(this)
    }
  }

  /**
   * Whether a full mailbox takes one more. A paused source sends no more; what it had sent already is let in, since it
   * is at most one read.
   */
  protected admits(waiting: number): boolean {
    return turn.source !== null && waiting < 2 * mailboxLimits.messages
  }

  /** Pauses the source of this turn until the stack is flat again, which is when mailboxes are empty. */
  private congest(): void {
    const source = turn.source
    if (source === null) return
    source.pause()
    queueMicrotask(() => source.resume())
  }

  private bury(message: unknown, edge: Edge | null, reason: 'stopped' | 'mailbox-full'): void {
    if (edge !== null) edge.deadLettered++
    if (message instanceof Ask) {
      message.fail(
        reason === 'stopped'
          ? new TrafficError('DeadLetter', `${this.path} has stopped`)
          : new TrafficError('Overloaded', `the mailbox of ${this.path} is full`),
      )
    }
    kernel.deadLetters.add({ to: this.path, reason, message: describe(message) })
  }

  /** Ends the actor for what was thrown, with a dead letter. */
  protected fail(thrown: unknown, message: unknown, edge: Edge | null): void {
    const fault = TrafficError.from(thrown)
    const record = fault.toRecord()
    edge?.failed(record)
    this.reason = fault
    this.status = Status.stopping
    kernel.deadLetters.add({
      to: this.path,
      reason: 'failed',
      message: describe(message),
      fault: record,
      history: this.history(),
    })
    if (message instanceof Ask) message.fail(fault)
    try {
      this.failed(fault, message)
    } catch (thrownToo) {
      this.failedToEnd(thrownToo)
    }
  }

  /** What is thrown on the way out of an actor stays here: nobody up the stack can do anything about it. */
  private failedToEnd(thrown: unknown): void {
    const fault = TrafficError.from(thrown).toRecord()
    kernel.deadLetters.add({ to: this.path, reason: 'failed', message: 'its own end', fault })
  }

  /** The events that led to a failure, for its dead letter. */
  protected history(): readonly string[] | undefined {
    return undefined
  }

  stop(): void {
    if (this.status === Status.running) this.status = Status.stopping
    else if (this.status < Status.stopping) this.terminate()
  }

  private terminate(): void {
    this.status = Status.stopped
    try {
      this.stopped()
    } catch (thrown) {
      this.failedToEnd(thrown)
    }
    const mailbox = this.mailbox
    this.mailbox = null
    while (mailbox?.shift()) {
      if (mailbox.edge !== null) mailbox.edge.inFlight--
      this.bury(mailbox.message, mailbox.edge, 'stopped')
    }
    const watchers = this.watchers
    this.watchers = null
    if (watchers !== null) {
      const terminated = { path: this.path, incarnation: this.incarnation, fault: this.reason }
      for (const watcher of watchers) {
        try {
          watcher.onTerminated(terminated)
        } catch (thrown) {
          this.failedToEnd(thrown)
        }
      }
    }
  }

  watch(onTerminated: (terminated: Terminated) => void): () => void {
    if (this.status === Status.stopped) {
      onTerminated({ path: this.path, incarnation: this.incarnation, fault: this.reason })
      return () => {}
    }
    const watch: Watch = { onTerminated }
    this.watchers ??= new Set()
    const watchers = this.watchers.add(watch)
    return () => watchers.delete(watch)
  }
}

/** A message in a few words, for dead letters. */
export function describe(message: unknown): string {
  if (message instanceof Data) return `Data(${message.size} bytes)`
  if (message instanceof Ask) return `Ask(${describe(message.message)})`
  if (typeof message === 'object' && message !== null) return message.constructor?.name ?? 'object'
  return String(message).slice(0, 60)
}
