import { Deadline } from '../../../runtime/clock.ts'
import { TrafficError } from '../../../runtime/errors.ts'
import { Data, type Event, MessageStart, StreamEnd } from '../../../runtime/event.ts'
import { turn } from '../../../runtime/turn.ts'
import { WaitingFilter } from '../waiting-filter.ts'
import type { Coding } from './codings.ts'
import { type EngineOutput, RunningEngine } from './running-engine.ts'

/** What is done to one message. */
export interface Recoding {
  readonly coding: Coding
  /** The start of the message, if it turns out to have a body. */
  readonly start: () => MessageStart
}

/**
 * Bodies up to this size are done at once in this thread: the way to zlib's threads and back costs 50 us, as much as
 * the compression of some kilobytes, and a turn must not take longer than a millisecond.
 */
const wholeBytes = 64 * 1024

/** A body that comes slowly is passed on as far as it is there after this time, or up to half a second later. */
const slowMs = 500

/**
 * Changes the bodies of messages, and leaves alone what has none.
 *
 *     between ──MessageStart──► collecting ──MessageEnd──► done at once
 *                                  │ over 64 KiB, or slow
 *                                  └──► streaming ──MessageEnd──► rest comes out; later events wait
 */
export abstract class Recode extends WaitingFilter implements EngineOutput {
  private recoding: Recoding | null = null
  private begin: MessageStart | null = null
  private collected: Data | null = null
  private engine: RunningEngine | null = null
  private slow: Deadline | null = null
  private isTimed = false
  private hasFailed = false

  /** What to do to a message; a MessageStart: leave the body as it is, behind that. */
  protected abstract choose(start: MessageStart): Recoding | MessageStart

  /** What is wrong with a body that has become so large, if anything. */
  protected abstract check(consumed: number, produced: number): TrafficError | undefined

  /** The most that a body of this size may become. */
  protected abstract limitBytes(consumed: number): number

  /** What is told of bytes that cannot be read. */
  protected abstract faultOf(error: Error, consumed: number): TrafficError

  protected handle(event: Event): void {
    if (this.hasFailed) return
    switch (event.kind) {
      case 0:
        if (this.recoding === null) this.next.process(event)
        else this.add(event, this.recoding)
        return
      case 1:
        this.start(event)
        return
      case 2:
        if (this.recoding === null) this.next.process(event)
        else this.finish(event, this.recoding)
        return
      case 3:
        this.cut()
        this.next.process(event)
        return
      default:
        event satisfies never
    }
  }

  private start(start: MessageStart): void {
    const chosen = this.choose(start)
    this.begin = start
    const isLeft = chosen instanceof MessageStart
    this.recoding = isLeft ? null : chosen
    if (isLeft) this.next.process(chosen)
  }

  private add(data: Data, recoding: Recoding): void {
    if (data.size === 0) return
    if (this.engine !== null) {
      this.engine.write(data)
    } else if (this.collected === null) {
      this.collected = data.clone().keep()
    } else {
      this.collected.push(data)
    }
    if (this.engine === null && (this.collected?.size ?? 0) > wholeBytes) this.stream(recoding)
    if (this.isTimed) return
    this.isTimed = true
    this.slow ??= new Deadline(slowMs, () => this.isSlow())
    this.slow.touch()
  }

  private stream(recoding: Recoding): void {
    this.next.process(recoding.start())
    this.engine = new RunningEngine(recoding.coding.open(), this, (consumed, produced) =>
      this.check(consumed, produced),
    )
    void this.engine.finished.then(error => {
      if (error !== undefined) this.failed(error)
    })
    const { collected } = this
    this.collected = null
    if (collected !== null) this.engine.write(collected)
  }

  private isSlow(): void {
    this.isTimed = false
    const { recoding } = this
    if (recoding === null) return
    turn.begin(null)
    this.pipeline.run(() => {
      if (this.engine === null) this.stream(recoding)
      this.engine?.flush()
    })
    turn.end()
  }

  output(data: Data): void {
    this.pipeline.deliver(this.next, data, null)
  }

  private finish(end: Event, recoding: Recoding): void {
    const { engine, collected } = this
    if (engine !== null) {
      engine.end()
      this.waitFor(engine.finished, error => {
        this.reset()
        if (error === undefined) this.next.process(end)
      })
      return
    }
    const begin = this.begin as MessageStart
    this.reset()
    if (collected === null) {
      this.next.process(begin)
      this.next.process(end)
      return
    }
    const changed = this.whole(collected, recoding.coding)
    if (changed === undefined) return
    this.next.process(recoding.start())
    this.next.process(changed)
    this.next.process(end)
  }

  private whole(body: Data, coding: Coding): Data | undefined {
    const { size } = body
    try {
      const bytes = coding.whole(body.bytes(), this.limitBytes(size))
      const fault = this.check(size, bytes.length)
      if (fault === undefined) return Data.over(bytes)
      this.fail(fault)
    } catch (thrown) {
      this.fail(this.faultOf(thrown as Error, size))
    }
    return undefined
  }

  private failed(error: Error): void {
    turn.begin(null)
    this.pipeline.run(() => this.fail(error instanceof TrafficError ? error : this.faultOf(error, 0)))
    turn.end()
  }

  private fail(fault: TrafficError): void {
    if (this.hasFailed) return
    this.hasFailed = true
    this.next.process(new StreamEnd(fault))
  }

  /** The stream ends within a message: what there is of it has no use, but who waits for its start gets that. */
  private cut(): void {
    if (this.recoding !== null && this.engine === null && this.begin !== null) this.next.process(this.begin)
    this.engine?.close(undefined)
    this.reset()
  }

  private reset(): void {
    this.slow?.clear()
    this.isTimed = false
    this.recoding = null
    this.begin = null
    this.collected = null
    this.engine = null
  }

  override stop(): void {
    super.stop()
    this.hasFailed = true
    this.engine?.close(undefined)
    this.reset()
  }
}
