// Hot path at full sampling: `take` is one call and one flat copy; everything else happens once per batch.

import { after, alignEpoch } from '../../runtime/clock.ts'
import type { Span } from '../../runtime/trace/span.ts'
import type { SpanOutlet } from '../../runtime/trace/tracer.ts'
import { packSpan, type SpanValues } from './span-batch.ts'

/** What a thread hands over at once. */
export interface SpanBatch {
  readonly spans: number
  readonly values: SpanValues
  /** Spans that were given up before, by reason. */
  readonly lost: Readonly<Record<string, number>>
}

export interface RecorderLimits {
  /** Spans of a batch. */
  readonly batch: number
  /** A batch that does not fill up is handed over after so long. */
  readonly delayMs: number
  /** Spans that may be on their way to the main thread: what is beyond is dropped, so that a busy one costs no memory. */
  readonly window: number
}

const recorderLimits: RecorderLimits = { batch: 256, delayMs: 100, window: 8192 }

/** Gathers the spans of a thread and hands them to the main thread, which encodes and exports them. */
export class SpanRecorder implements SpanOutlet {
  private readonly post: (batch: SpanBatch) => void
  private readonly limits: RecorderLimits
  private values: SpanValues = []
  private spans = 0
  private underWay = 0
  private lost: Record<string, number> = {}
  private hasLost = false
  private cancelTimer: (() => void) | null = null
  private readonly gathered: Int32Array

  /**
   * @param gathered its first number says how many have not been handed over, given up ones included: in shared memory, it
   *   tells what is lost when the thread dies
   */
  constructor(
    post: (batch: SpanBatch) => void,
    limits: RecorderLimits = recorderLimits,
    gathered: Int32Array = new Int32Array(1),
  ) {
    this.post = post
    this.limits = limits
    this.gathered = gathered
  }

  private add(spans: number): void {
    this.gathered[0] = (this.gathered[0] as number) + spans
  }

  take(span: Span): void {
    if (this.underWay + this.spans >= this.limits.window) {
      this.lose('thread-window', 1)
      return
    }
    packSpan(span, this.values)
    this.add(1)
    if (++this.spans >= this.limits.batch) this.flush()
    else this.cancelTimer ??= after(this.limits.delayMs, () => this.flush())
  }

  lose(reason: string, spans: number): void {
    this.lost[reason] = (this.lost[reason] ?? 0) + spans
    this.add(spans)
    this.hasLost = true
    this.cancelTimer ??= after(this.limits.delayMs, () => this.flush())
  }

  /** Spans of another thread, which go on with those of this one. */
  relay({ spans, values, lost }: SpanBatch): void {
    for (const reason of Object.keys(lost)) this.lose(reason, lost[reason] as number)
    if (this.underWay + this.spans + spans > this.limits.window) {
      this.lose('thread-window', spans)
      return
    }
    for (const value of values) this.values.push(value)
    this.spans += spans
    this.add(spans)
    if (this.spans >= this.limits.batch) this.flush()
    else this.cancelTimer ??= after(this.limits.delayMs, () => this.flush())
  }

  /** The main thread has taken so many. */
  taken(spans: number): void {
    this.underWay -= spans
  }

  flush(): void {
    this.cancelTimer?.()
    this.cancelTimer = null
    if (this.spans === 0 && !this.hasLost) return
    const batch: SpanBatch = { spans: this.spans, values: this.values, lost: this.lost }
    this.underWay += this.spans
    this.values = []
    this.spans = 0
    this.lost = {}
    this.hasLost = false
    alignEpoch()
    this.post(batch)
    this.gathered[0] = 0
  }
}
