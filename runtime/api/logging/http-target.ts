import { after, monotonicMs } from '../../clock.ts'
import { count, duration, isText, optional, type Resolved, size } from '../../options.ts'
import { RetryDelay } from '../../retry-delay.ts'
import { type ClientTLSOptions, HTTPClient } from './http-client.ts'
import { defaultBufferLimit, type LogTarget, logTargets, Tally } from './target.ts'

export interface BatchOptions {
  /** Records in one request. Default: 1000. */
  size?: number | undefined
  /** A batch is sent when nothing was added for so long. Default: not for that reason. */
  timeout?: number | string | undefined
  /** A batch is sent so long after its first record. Default: 1 second. */
  interval?: number | string | undefined
  /** Text in front of the first record, like '['. */
  prefix?: string | undefined
  /** Text after the last record, like ']'. */
  postfix?: string | undefined
  /** Text between two records. Default: a line end. */
  separator?: string | undefined
}

export interface HTTPOptions {
  /** Default: 'POST'. */
  method?: string | undefined
  headers?: Readonly<Record<string, string>> | undefined
  /** Bytes of records that may wait. Default: '16m'. */
  bufferLimit?: number | string | undefined
  batch?: BatchOptions | undefined
  tls?: ClientTLSOptions | undefined
}

const isObject = (value: unknown): value is Record<string, never> =>
  typeof value === 'object' && value !== null

export const httpOptions = {
  method: optional('text', "'POST' by default", isText),
  headers: optional('an object of fields', 'fields of each request', isObject),
  bufferLimit: size(defaultBufferLimit, 'bytes of records that may wait; more are dropped and counted'),
  batch: optional('an object', 'how records are put together', isObject),
  tls: optional('an object', 'how to speak TLS', isObject),
}

export const batchOptions = {
  size: count(1000, 'records in one request; 0 is 1, as in Pipy'),
  timeout: duration(0, 'a batch is sent when nothing was added for so long; 0: not for that reason'),
  interval: duration(1000, 'a batch is sent so long after its first record'),
  prefix: optional('text', 'in front of the first record', isText),
  postfix: optional('text', 'after the last record', isText),
  separator: optional('text', 'between two records; a line end by default', isText),
}

const firstRetryMs = 500
const lastRetryMs = 30_000

/** Answers after which the same batch may be sent again; after others it never will be taken. */
const isPassing = (status: number): boolean => status >= 500 || status === 408 || status === 429

/**
 * Records to an HTTP server, in batches, one request at a time. A server that fails or is away gets the same batch
 * again, with growing pauses, while records wait up to the limit; so a record may arrive twice, but none arrives out
 * of order.
 */
export class HTTPTarget implements LogTarget {
  private readonly client: HTTPClient
  private readonly options: Resolved<typeof httpOptions>
  private readonly batch: Resolved<typeof batchOptions>
  private readonly tally: Tally
  private readonly url: string
  private records: Buffer[] = []
  /** Bytes of records that wait, those on their way included. */
  private bytes = 0
  private lastMs = 0
  private cancelTimer: (() => void) | undefined
  private sending: Promise<void> | undefined
  /** Whether what waits is to be sent although it is not a whole batch. */
  private isDue = false
  private wakeUp: (() => void) | undefined
  /** When a flush gives up: from then on nothing is tried again until all that waited is dropped. */
  private deadlineMs = Number.POSITIVE_INFINITY

  constructor(url: string, options: Resolved<typeof httpOptions>, batch: Resolved<typeof batchOptions>) {
    this.client = new HTTPClient(url, options.tls as ClientTLSOptions | undefined)
    this.url = url
    this.options = options
    this.batch = { ...batch, size: Math.max(1, batch.size) }
    this.tally = new Tally(`http ${new URL(url).host}`)
  }

  write(record: Buffer): void {
    if (this.bytes + record.length > this.options.bufferLimit) {
      this.tally.drop(1, 'overflow')
      return
    }
    this.records.push(record)
    this.bytes += record.length
    this.lastMs = monotonicMs()
    if (this.sending !== undefined) return
    if (this.records.length >= this.batch.size) this.sending = this.sendAll()
    else if (this.records.length === 1) this.arm(this.lastMs)
  }

  async flush(limitMs: number): Promise<void> {
    this.deadlineMs = monotonicMs() + limitMs
    this.isDue = true
    this.disarm()
    this.wakeUp?.()
    if (this.records.length > 0) this.sending ??= this.sendAll()
    else if (this.sending === undefined) this.deadlineMs = Number.POSITIVE_INFINITY
    const { promise: late, resolve } = Promise.withResolvers<void>()
    const cancel = after(limitMs, resolve)
    await Promise.race([this.sending, late])
    cancel()
  }

  /** Waits for the batch to be old enough, or for nobody to add to it. */
  private arm(beganMs: number): void {
    const { interval, timeout } = this.batch
    const dueMs = Math.min(
      interval > 0 ? beganMs + interval : Number.POSITIVE_INFINITY,
      timeout > 0 ? this.lastMs + timeout : Number.POSITIVE_INFINITY,
    )
    if (dueMs === Number.POSITIVE_INFINITY) return
    this.cancelTimer = after(Math.max(0, dueMs - monotonicMs()), () => {
      this.cancelTimer = undefined
      const isQuiet = timeout > 0 && monotonicMs() - this.lastMs >= timeout - 1
      const isOld = interval > 0 && monotonicMs() - beganMs >= interval - 1
      if (!isQuiet && !isOld) return this.arm(beganMs)
      this.isDue = true
      this.sending ??= this.sendAll()
    })
  }

  private disarm(): void {
    this.cancelTimer?.()
    this.cancelTimer = undefined
  }

  private async sendAll(): Promise<void> {
    this.disarm()
    while (this.records.length >= this.batch.size || (this.isDue && this.records.length > 0)) {
      const batch = this.records.splice(0, this.batch.size)
      await this.deliver(batch)
      for (const record of batch) this.bytes -= record.length
    }
    this.isDue = false
    this.deadlineMs = Number.POSITIVE_INFINITY
    this.sending = undefined
    if (this.records.length > 0) this.arm(monotonicMs())
  }

  /** Sends one batch until it is taken, refused for good, or there is no more time. */
  private async deliver(batch: readonly Buffer[]): Promise<void> {
    const body = this.bodyOf(batch)
    const delay = new RetryDelay(firstRetryMs, lastRetryMs)
    while (true) {
      const failure = await this.attempt(body)
      if (failure === undefined) return this.tally.wrote(batch.length)
      logTargets.diagnostics.warn(`The log server ${this.url} does not take records: ${failure.reason}`, {
        code: 'LogServerFailed',
      })
      if (failure.isFinal) return this.tally.drop(batch.length, 'refused')
      const leftMs = this.deadlineMs - monotonicMs()
      if (leftMs <= 0) return this.tally.drop(batch.length, 'shutdown')
      await this.pause(Math.min(delay.next(), leftMs))
    }
  }

  private async attempt(body: Buffer): Promise<{ reason: string; isFinal: boolean } | undefined> {
    const { method = 'POST', headers } = this.options
    try {
      const status = await this.client.send(method, (headers ?? {}) as Record<string, string>, body)
      if (status >= 200 && status < 300) return undefined
      return { reason: `it answered ${status}`, isFinal: !isPassing(status) }
    } catch (error) {
      return { reason: (error as Error).message, isFinal: false }
    }
  }

  private bodyOf(batch: readonly Buffer[]): Buffer {
    const { prefix = '', postfix = '', separator = '\n' } = this.batch
    const between = Buffer.from(separator)
    const parts: Buffer[] = [Buffer.from(prefix)]
    for (const [i, record] of batch.entries()) {
      if (i > 0) parts.push(between)
      parts.push(record)
    }
    parts.push(Buffer.from(postfix))
    return Buffer.concat(parts)
  }

  /** A flush cuts it short. */
  private async pause(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const cancel = after(ms, resolve)
    this.wakeUp = resolve
    await promise
    cancel()
    this.wakeUp = undefined
  }
}
