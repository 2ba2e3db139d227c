import type { Buffer } from 'node:buffer'
import { Deadline } from '../../../runtime/clock.ts'
import { TrafficError } from '../../../runtime/errors.ts'
import { Data, type Event, Kind, StreamEnd } from '../../../runtime/event.ts'
import { duration } from '../../../runtime/options.ts'
import { turn } from '../../../runtime/turn.ts'
import { Filter } from '../../filter.ts'
import { Gate } from '../../gate.ts'
import { InnerPipeline, type InnerPlan } from '../inner-pipeline.ts'
import { isThenable } from '../promise.ts'

export const acceptingOptions = {
  handshakeTimeout: duration(
    10_000,
    'Ends the stream with ReadTimeout when the handshake is not done by then, counted from the beginning of the stream: clients that drip it byte by byte hold nothing for long.',
  ),
} as const

const State = { reading: 0, deciding: 1, open: 2, closed: 3 } as const

/**
 * A filter in front of which a client says what it wants, before its stream goes into a sub-pipeline:
 *
 *     reading ──request──► deciding (the callback, or its promise) ──granted──► open: bytes pass both ways
 *        └── broken rule, timeout        └── refused ──► closed
 *
 * What comes behind the handshake while the decision is awaited waits in a gate, which pauses its source from 64 KiB on.
 */
export abstract class AcceptingFilter extends Filter {
  private readonly inner: InnerPlan
  private readonly timeoutMs: number
  private state: number = State.reading
  private hasBegun = false
  private stream: InnerPipeline | null = null
  private gate: Gate | null = null
  private deadline: Deadline | null = null

  constructor(inner: InnerPlan, timeoutMs: number) {
    super()
    this.inner = inner
    this.timeoutMs = timeoutMs
  }

  /** Reads bytes of the handshake, and calls `decide` or `fail` when it ends. Returns the index reached. */
  protected abstract read(buffer: Buffer, start: number, end: number): number
  /** The client sends no more, inside the handshake: it is broken off. */
  protected abstract readEnd(): void
  /** Whether not a byte of the handshake has come. */
  protected abstract readonly isFresh: boolean

  process(event: Event): void {
    switch (this.state) {
      case State.open:
        this.stream?.send(event)
        return
      case State.deciding:
        this.hold(event)
        return
      case State.reading:
        if (event.kind === Kind.data) this.readData(event)
        else if (event.kind === Kind.streamEnd) this.endReading(event)
        return
      default:
        return
    }
  }

  private readData(data: Data): void {
    if (!this.hasBegun) this.begin()
    if (data.size === 0) return
    const { buffer, end } = data
    const reached = this.read(buffer, data.start, end)
    if (reached < end) this.process(Data.borrow(buffer, reached, end))
  }

  private begin(): void {
    this.hasBegun = true
    if (this.timeoutMs === 0) return
    this.deadline = new Deadline(this.timeoutMs, () =>
      this.enter(() => {
        if (this.state === State.reading)
          this.fail(new TrafficError('ReadTimeout', `no whole handshake within ${this.timeoutMs / 1000} s`))
      }),
    )
    this.deadline.touch()
  }

  private endReading(end: StreamEnd): void {
    // A connection that closes without having said anything is no news.
    if (end.error === '' && !this.isFresh) this.readEnd()
    else this.close(end)
  }

  /**
   * The handshake is done, and the script has been asked.
   *
   * @param answer of the script: truthy grants; a promise is waited for
   * @param granted what the client is told then
   * @param refused what the client is told else
   */
  protected decide(answer: unknown, granted?: Buffer, refused?: Buffer): void {
    this.deadline?.clear()
    if (!isThenable(answer)) {
      this.settle(answer, granted, refused)
      return
    }
    this.state = State.deciding
    answer.then(
      value => this.enter(() => this.settle(value, granted, refused)),
      error =>
        this.enter(() => {
          throw error
        }),
    )
  }

  /** Goes on inside the pipeline's actor. */
  private enter(work: () => void): void {
    turn.begin(null)
    this.pipeline.run(work)
    turn.end()
  }

  private settle(answer: unknown, granted: Buffer | undefined, refused: Buffer | undefined): void {
    if (this.state === State.closed) return
    if (!answer) {
      if (refused !== undefined) this.reply(refused)
      this.fail(new TrafficError('Unauthorized', 'the script has refused the client'))
      return
    }
    if (granted !== undefined) this.reply(granted)
    this.state = State.open
    const { pipeline, next } = this
    this.stream = new InnerPipeline(this.inner, pipeline, pipeline.context, event => next.process(event))
    this.stream.open()
    if (this.gate !== null) for (const event of this.gate.open()) this.stream.send(event)
  }

  private hold(event: Event): void {
    if (event.kind === Kind.streamEnd && event.error !== '') {
      this.close(event)
      return
    }
    this.gate ??= new Gate()
    this.gate.hold(event)
  }

  /** Sends bytes of the handshake to the client. */
  protected reply(bytes: Buffer): void {
    this.next.process(Data.over(bytes))
  }

  /** Ends the stream, in both directions. */
  protected fail(error: TrafficError): void {
    this.close(new StreamEnd(error))
  }

  private close(end: StreamEnd): void {
    this.state = State.closed
    this.deadline?.clear()
    this.gate?.close()
    this.next.process(end)
  }

  override stop(): void {
    this.state = State.closed
    this.deadline?.clear()
    this.gate?.close()
    this.stream?.stop()
  }
}
