// Hot path: `add` runs once per event, the rest once per batch.

import type { Edge } from '../../actors/kernel/ledger.ts'
import type { WireMessage } from '../../actors/kernel/wire.ts'
import { after } from '../../runtime/clock.ts'
import { TrafficError } from '../../runtime/errors.ts'
import { RetryDelay } from '../../runtime/retry-delay.ts'
import type { Bus } from '../bus/bus.ts'
import { type BatchItem, encode, encodeBatch } from './batch.ts'

/** An event on its way to the stream. */
export interface Entry {
  readonly key: string
  readonly wire: WireMessage
  readonly bytes: number
  readonly edge: Edge
}

/**
 * Resolves when a stream is there; undefined when it is there already, so that what is flushed together goes together.
 *
 * @param isMissing it has been found missing: then it is made anew
 */
export type Readiness = (isMissing: boolean) => Promise<void> | undefined

/** What the shards of a pipeline share. */
export interface ShardSenderOptions {
  readonly bus: Bus
  readonly nextId: () => string
  /** Subject for the parts of large messages. */
  readonly partsSubject: string
  /** Resolves when the stream is there, or that for parts. */
  readonly ready: Readiness
  readonly partsReady: Readiness
  /** These are stored, or given up for a reason: they wait no more. */
  readonly settled: (entries: readonly Entry[], dropped: string | undefined) => void
  /** The stream takes them, or why not. */
  readonly trouble: (fault: TrafficError | undefined) => void
}

/**
 * Of one batch, about: 1,000 small events, or 256 KiB. What is in one message of the stream is acknowledged together, and
 * a host keeps a hundred of them at hand: larger ones would cost it more memory. Smaller ones cost the server more CPU, of
 * which it needs as much for each: with 64 KiB a shard stores 117,000 events a second, with these 165,000 (2026-11).
 */
const batchLimits = { events: 1024, bytes: 256 * 1024 } as const

/** For the stream to say that it has stored a batch; then it is sent again with the same id. */
const publishMs = 5_000

/** Room for the subject and the headers of a message. */
const overheadBytes = 1024

/**
 * The events of one shard on their way to the stream: gathered, and stored batch by batch.
 *
 * One batch is under way at a time, and one that fails is tried again before the next, so that the stream has them in
 * the order in which they were sent. The other shards go on meanwhile.
 */
export class ShardSender {
  readonly subject: string
  private readonly options: ShardSenderOptions
  private waiting: Entry[] = []
  private waitingBytes = 0
  /** Is storing a batch, or waits to try that again. */
  isBusy = false
  private readonly delay = new RetryDelay(100, 2_000)
  private wake: (() => void) | undefined
  private isStopped = false

  constructor(subject: string, options: ShardSenderOptions) {
    this.subject = subject
    this.options = options
  }

  get isEmpty(): boolean {
    return this.waiting.length === 0
  }

  add(entry: Entry): void {
    this.waiting.push(entry)
    this.waitingBytes += entry.bytes
    if (!this.isBusy && (this.waitingBytes >= batchLimits.bytes || this.waiting.length >= batchLimits.events))
      this.flush()
  }

  /** Events that are not stored. */
  get count(): number {
    return this.waiting.length
  }

  /** Stores what has been gathered. */
  flush(): void {
    if (this.isBusy || this.waiting.length === 0 || this.isStopped) return
    this.isBusy = true
    void this.store()
  }

  /** Tries at once what waits to be tried again. */
  hurry(): void {
    this.delay.reset()
    this.wake?.()
  }

  /** Gives everything up. */
  stop(): Entry[] {
    this.isStopped = true
    this.wake?.()
    const left = this.waiting
    this.waiting = []
    return left
  }

  private async store(): Promise<void> {
    const count = this.countOfBatch()
    const batch = this.waiting.slice(0, count)
    const dropped = await this.storeBatch(batch)
    // Whoever stopped it has accounted for all that was there.
    if (this.isStopped) return
    this.waiting = this.waiting.slice(count)
    for (const { bytes } of batch) this.waitingBytes -= bytes
    this.isBusy = false
    this.options.settled(batch, dropped)
    if (this.waitingBytes >= batchLimits.bytes || this.waiting.length >= batchLimits.events) this.flush()
  }

  private countOfBatch(): number {
    const { waiting } = this
    let bytes = 0
    let count = 0
    while (count < waiting.length && count < batchLimits.events) {
      bytes += (waiting[count] as Entry).bytes
      if (count > 0 && bytes > batchLimits.bytes) break
      count++
    }
    return count
  }

  /** Gives why it was dropped, or undefined when it is stored. */
  private async storeBatch(batch: readonly Entry[]): Promise<string | undefined> {
    const { bus, nextId } = this.options
    const id = nextId()
    const limit = bus.maxPayload - overheadBytes
    let payload: Uint8Array
    try {
      payload = encodeBatch({ id, items: batch.map(({ key, wire }) => itemOf(key, wire)) })
      if (payload.length > limit && batch.length > 1) {
        // Heads were larger than guessed: half as many at a time.
        const half = batch.length >> 1
        return (await this.storeBatch(batch.slice(0, half))) ?? (await this.storeBatch(batch.slice(half)))
      }
      if (payload.length > limit) {
        const parts = await this.storeParts(id, encode((batch[0] as Entry).wire), limit)
        if (parts === undefined) return 'stopped'
        const { key, wire } = batch[0] as Entry
        payload = encodeBatch({ id, items: [[key, null, ownId(wire) ?? null, parts]] })
      }
    } catch (thrown) {
      const fault = TrafficError.from(thrown)
      for (const { edge } of batch) edge.failed(fault.toRecord())
      return 'unsendable'
    }
    const sequence = await this.publish(this.subject, payload, id, this.options.ready)
    return sequence === undefined ? 'stopped' : undefined
  }

  /** Gives the sequences of its parts. */
  private async storeParts(id: string, message: Uint8Array, limit: number): Promise<number[] | undefined> {
    const sequences: number[] = []
    for (let at = 0; at < message.length; at += limit) {
      const part = message.subarray(at, at + limit)
      const { partsSubject, partsReady } = this.options
      const sequence = await this.publish(partsSubject, part, `${id}-${sequences.length}`, partsReady)
      if (sequence === undefined) return undefined
      sequences.push(sequence)
    }
    return sequences
  }

  /** Tries until it is stored, however long that takes. Gives its sequence, or undefined when it was stopped meanwhile. */
  private async publish(
    subject: string,
    payload: Uint8Array,
    id: string,
    ready: Readiness,
  ): Promise<number | undefined> {
    const { bus, trouble } = this.options
    let isMissing = false
    for (;;) {
      if (this.isStopped) return undefined
      try {
        const making = ready(isMissing)
        if (making !== undefined) await making
        const { sequence } = await bus.streams.publish(subject, payload, { id, deadlineMs: publishMs })
        this.delay.reset()
        trouble(undefined)
        return sequence
      } catch (thrown) {
        const fault = TrafficError.from(thrown, 'ClusterError')
        // Nobody took it: the stream may have been deleted.
        isMissing = fault.code === 'NoResponder'
        trouble(fault)
        await this.pause()
      }
    }
  }

  private pause(): Promise<void> {
    if (this.isStopped) return Promise.resolve()
    return new Promise(resolve => {
      const cancel = after(this.delay.next(), () => this.wake?.())
      this.wake = () => {
        cancel()
        this.wake = undefined
        resolve()
      }
    })
  }
}

/** A message's own id, which scripts give it as `id` of its head. */
function ownId([head]: WireMessage): string | undefined {
  const id = (head as { readonly id?: unknown } | null)?.id
  return typeof id === 'string' && id !== '' ? id : undefined
}

function itemOf(key: string, wire: WireMessage): BatchItem {
  const id = ownId(wire)
  return id === undefined ? [key, wire] : [key, wire, id]
}
