import type { Buffer } from 'node:buffer'
import { Deadline } from '../../../runtime/clock.ts'
import { TrafficError } from '../../../runtime/errors.ts'
import { Data, type Event, Kind, StreamEnd } from '../../../runtime/event.ts'
import { duration } from '../../../runtime/options.ts'
import { turn } from '../../../runtime/turn.ts'
import type { Context } from '../../context.ts'
import { Filter } from '../../filter.ts'
import { Gate } from '../../gate.ts'
import { InnerPipeline, type InnerPlan } from '../inner-pipeline.ts'
import { isThenable } from '../promise.ts'

export const connectingOptions = {
  handshakeTimeout: duration(
    10_000,
    'Ends the stream with ConnectionTimeout when the other side has not answered the handshake by then, the time to connect included.',
  ),
} as const

/** What the handshake is about, in the script: a value, or a callback (ctx) that gives it or a promise of it. */
export type Given<T> = T | ((ctx: Context) => T | PromiseLike<T>)

/**
 * A filter that asks the other side for something, over its sub-pipeline, before the stream goes through it:
 *
 *     idle ──first event──► asking ──► handshake sent ──► established: bytes pass both ways
 *                             └── refused, broken rule, timeout, end ──► ended
 *
 * What comes meanwhile waits in a gate, which pauses its source from 64 KiB on.
 */
export abstract class ConnectingFilter<T> extends Filter {
  private readonly inner: InnerPlan
  private readonly given: Given<T>
  private readonly timeoutMs: number
  private readonly gate = new Gate()
  private stream: InnerPipeline | null = null
  private deadline: Deadline | null = null
  private hasStarted = false
  private isEstablished = false
  private hasEnded = false

  constructor(inner: InnerPlan, given: Given<T>, timeoutMs: number) {
    super()
    this.inner = inner
    this.given = given
    this.timeoutMs = timeoutMs
  }

  /** Begins the handshake: it calls `send` and, in time, `established` or `fail`. */
  protected abstract begin(value: T): void
  /** Reads bytes of the other side, while the handshake lasts. Returns the index reached. */
  protected read(_buffer: Buffer, _start: number, end: number): number {
    return end
  }
  /** Why a stream that the other side ends within the handshake has failed. */
  protected abstract brokenOff(): TrafficError

  process(event: Event): void {
    if (this.hasEnded) return
    if (this.isEstablished) {
      this.stream?.send(event)
      return
    }
    if (!this.hasStarted) {
      if (event.kind === Kind.streamEnd) {
        this.end(event)
        return
      }
      this.start()
    }
    if (this.isEstablished) this.stream?.send(event)
    else if (event.kind !== Kind.data || event.size > 0) this.gate.hold(event)
  }

  private start(): void {
    this.hasStarted = true
    if (this.timeoutMs > 0) {
      this.deadline = new Deadline(this.timeoutMs, () =>
        this.enter(() =>
          this.fail(
            new TrafficError(
              'ConnectionTimeout',
              `no answer within ${this.timeoutMs / 1000} s to the handshake`,
            ),
          ),
        ),
      )
      this.deadline.touch()
    }
    const { given } = this
    const value = typeof given === 'function' ? (given as (ctx: Context) => T)(this.pipeline.context) : given
    if (isThenable(value))
      value.then(
        settled => this.enter(() => this.connect(settled as T)),
        error =>
          this.enter(() => {
            throw error
          }),
      )
    else this.connect(value)
  }

  private connect(value: T): void {
    if (this.hasEnded) return
    const { pipeline } = this
    this.stream = new InnerPipeline(this.inner, pipeline, this.innerContext(), event => this.answer(event))
    this.begin(value)
  }

  /** Goes on inside the pipeline's actor. */
  private enter(work: () => void): void {
    turn.begin(null)
    this.pipeline.run(work)
    turn.end()
  }

  /** What the other side says. */
  private answer(event: Event): void {
    if (this.hasEnded) return
    if (this.isEstablished) {
      if (event.kind === Kind.streamEnd) this.end(event)
      else this.next.process(event)
    } else if (event.kind === Kind.streamEnd) {
      if (event.error === '') this.fail(this.brokenOff())
      else this.end(event)
    } else this.readAnswer(event)
  }

  /** Reads what the other side says while the handshake lasts. */
  protected readAnswer(event: Event): void {
    if (event.kind !== Kind.data || event.size === 0) return
    const { buffer, end } = event
    const reached = this.read(buffer, event.start, end)
    if (reached < end && this.isEstablished) this.next.process(Data.borrow(buffer, reached, end))
  }

  /** The context of the sub-pipeline. */
  protected innerContext(): Context {
    return this.pipeline.context
  }

  /** Sends an event of the handshake to the other side. */
  protected give(event: Event): void {
    this.stream?.send(event)
  }

  /** Sends bytes of the handshake to the other side. */
  protected send(bytes: Buffer): void {
    this.stream?.send(Data.over(bytes))
  }

  /** The handshake is done. */
  protected established(): void {
    this.isEstablished = true
    this.deadline?.clear()
    for (const event of this.gate.open()) this.stream?.send(event)
  }

  /** The handshake has failed, and the stream with it. */
  protected fail(error: TrafficError): void {
    if (this.isEstablished || this.hasEnded) return
    const end = new StreamEnd(error)
    this.stream?.send(end)
    this.end(end)
  }

  protected end(end: StreamEnd): void {
    this.hasEnded = true
    this.deadline?.clear()
    this.gate.close()
    this.next.process(end)
  }

  override stop(): void {
    this.hasEnded = true
    this.deadline?.clear()
    this.gate.close()
    this.stream?.stop()
  }
}
