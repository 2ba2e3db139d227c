/** The broker's side of streams in memory: what JetStream promises, and no more. */

import type {
  BusHeaders,
  ConsumeOptions,
  Stored,
  StoredMessage,
  StreamInfo,
  StreamOptions,
  StreamRange,
} from '../../cluster/bus/bus.ts'
import { after, wallMs } from '../../runtime/clock.ts'
import { TrafficError } from '../../runtime/errors.ts'
import { matches } from './memory-subjects.ts'

/** What a consumer is given; the client makes a `Delivery` of it. */
export interface Given {
  readonly message: StoredMessage
  readonly attempt: number
  readonly count: number
}

/** Who takes from a consumer. False: he cannot take now. */
export type Taker = (given: Given) => boolean

interface Kept extends StoredMessage {
  readonly bytes: number
  /** Consumers that have not acknowledged it: for the retention 'interest'. */
  readonly wantedBy: Set<string>
}

export class MemoryStream {
  options: StreamOptions
  private readonly kept = new Map<number, Kept>()
  private readonly ids = new Map<string, { readonly sequence: number; readonly untilMs: number }>()
  readonly consumers = new Map<string, MemoryConsumer>()
  private bytes = 0
  private lastSequence = 0

  constructor(options: StreamOptions) {
    this.options = options
  }

  change(options: StreamOptions): void {
    if (options.retention !== this.options.retention || options.storage !== this.options.storage)
      throw new TrafficError(
        'ClusterError',
        `stream '${options.name}' cannot change its retention or storage; delete it when it is empty`,
      )
    this.options = options
  }

  store(subject: string, payload: Uint8Array, id: string, headers: BusHeaders | undefined): Stored {
    this.sweep()
    const known = this.ids.get(id)
    if (known !== undefined) return { sequence: known.sequence, isDuplicate: true }
    const bytes = subject.length + payload.length + overheadBytes
    if (this.bytes + bytes > this.options.maxBytes)
      throw new TrafficError('StreamFull', `stream '${this.options.name}' has ${this.bytes} bytes`)
    const sequence = ++this.lastSequence
    const timeMs = wallMs()
    this.ids.set(id, { sequence, untilMs: timeMs + this.options.duplicateWindowMs })
    const wanting = [...this.consumers.values()].filter(consumer => consumer.wants(subject))
    const wantedBy = new Set(wanting.map(consumer => consumer.name))
    if (this.options.retention !== 'interest' || wantedBy.size > 0) {
      this.kept.set(sequence, {
        sequence,
        subject,
        payload,
        headers: { ...headers, 'Nats-Msg-Id': id },
        timeMs,
        bytes,
        wantedBy,
      })
      this.bytes += bytes
    }
    for (const consumer of wanting) consumer.pump()
    return { sequence, isDuplicate: false }
  }

  get(sequence: number): StoredMessage | undefined {
    this.sweep()
    return this.kept.get(sequence)
  }

  last({ from, through, filter, count }: StreamRange): StoredMessage[] {
    this.sweep()
    return [...this.kept.values()]
      .filter(({ sequence, subject }) => sequence >= from && sequence <= through && matches(filter, subject))
      .slice(-count)
  }

  remove(sequence: number): boolean {
    const message = this.kept.get(sequence)
    if (message === undefined) return false
    this.kept.delete(sequence)
    this.bytes -= message.bytes
    return true
  }

  /** The next after `sequence` that the filter lets through. */
  after(sequence: number, filter: string | undefined): StoredMessage | undefined {
    this.sweep()
    // Sequences rise in the order of the map.
    for (const message of this.kept.values())
      if (message.sequence > sequence && matches(filter, message.subject)) return message
    return undefined
  }

  acknowledged(sequence: number, consumer: string): void {
    const message = this.kept.get(sequence)
    message?.wantedBy.delete(consumer)
    const { retention } = this.options
    if (retention === 'work' || (retention === 'interest' && message?.wantedBy.size === 0))
      this.remove(sequence)
  }

  consumer(options: ConsumeOptions): MemoryConsumer {
    const { name, filter } = options
    const there = this.consumers.get(name)
    if (there !== undefined) {
      there.options = options
      return there
    }
    if (this.options.retention === 'work')
      for (const other of this.consumers.values())
        if (other.options.filter === undefined || filter === undefined || other.options.filter === filter)
          throw new TrafficError(
            'ClusterError',
            `consumer '${name}' cannot be made: '${other.name}' takes the same of the work`,
          )
    const consumer = new MemoryConsumer(this, options)
    this.consumers.set(name, consumer)
    for (const message of this.kept.values())
      if (consumer.wants(message.subject) && message.sequence >= (options.from ?? 0))
        message.wantedBy.add(name)
    return consumer
  }

  deleteConsumer(name: string): void {
    this.consumers.get(name)?.end()
    this.consumers.delete(name)
    if (this.options.retention !== 'interest') return
    for (const { sequence } of [...this.kept.values()]) this.acknowledged(sequence, name)
  }

  info(): StreamInfo {
    this.sweep()
    const sequences = [...this.kept.keys()]
    return {
      messages: this.kept.size,
      bytes: this.bytes,
      firstSequence: sequences[0] ?? this.lastSequence + 1,
      lastSequence: this.lastSequence,
      consumers: [...this.consumers.values()].map(consumer => consumer.info([...this.kept.values()])),
    }
  }

  waiting(): ReadonlyMap<string, number> {
    this.sweep()
    const counts = new Map<string, number>()
    for (const { subject } of this.kept.values()) counts.set(subject, (counts.get(subject) ?? 0) + 1)
    return counts
  }

  private sweep(): void {
    const now = wallMs()
    for (const [id, { untilMs }] of this.ids) {
      if (untilMs > now) break
      this.ids.delete(id)
    }
    for (const { sequence, timeMs } of this.kept.values()) {
      if (timeMs + this.options.maxAgeMs > now) break
      this.remove(sequence)
    }
  }
}

/** What a message takes beside its subject and payload, about. */
const overheadBytes = 32

interface Pending {
  attempt: number
  cancel: () => void
}

export class MemoryConsumer {
  options: ConsumeOptions
  private readonly stream: MemoryStream
  private readonly takers: Taker[] = []
  private readonly pending = new Map<number, Pending>()
  /** To be given again, with the number of times that they were given. */
  private readonly again = new Map<number, number>()
  private readonly whenGone: (() => void)[] = []
  private cursor = 0
  private given = 0
  private turn = 0

  constructor(stream: MemoryStream, options: ConsumeOptions) {
    this.stream = stream
    this.options = options
    this.cursor = (options.from ?? 1) - 1
  }

  get name(): string {
    return this.options.name
  }

  wants(subject: string): boolean {
    return matches(this.options.filter, subject)
  }

  /** @param gone is called when somebody deletes the consumer */
  attach(taker: Taker, gone: () => void): () => void {
    this.takers.push(taker)
    this.whenGone.push(gone)
    this.pump()
    return () => {
      const at = this.takers.indexOf(taker)
      if (at >= 0) this.takers.splice(at, 1)
    }
  }

  /** Gives what there is to those who can take it. */
  pump(): void {
    while (this.pending.size < this.options.maxPending) {
      const next = this.next()
      if (next === undefined || !this.give(next)) return
    }
  }

  ack(sequence: number): void {
    this.pending.get(sequence)?.cancel()
    this.pending.delete(sequence)
    this.again.delete(sequence)
    this.stream.acknowledged(sequence, this.name)
    this.pump()
  }

  nak(sequence: number, delayMs: number): void {
    this.wait(sequence, delayMs)
  }

  extend(sequence: number): void {
    this.wait(sequence, this.options.ackWaitMs)
  }

  end(): void {
    for (const { cancel } of this.pending.values()) cancel()
    this.pending.clear()
    this.takers.length = 0
    for (const gone of this.whenGone.splice(0)) gone()
  }

  info(kept: readonly StoredMessage[]): StreamInfo['consumers'][number] {
    const waiting = kept.filter(
      ({ sequence, subject }) => this.wants(subject) && (sequence > this.cursor || this.again.has(sequence)),
    )
    const open = [...this.pending.keys(), ...this.again.keys()]
    const through = open.length === 0 ? this.cursor : Math.min(...open) - 1
    const isTaken = this.takers.length > 0
    return { name: this.name, waiting: waiting.length, pending: this.pending.size, through, isTaken }
  }

  private next(): Given | undefined {
    for (const [sequence, attempt] of this.again) {
      const message = this.stream.get(sequence)
      if (message !== undefined) return { message, attempt: attempt + 1, count: this.given + 1 }
      this.again.delete(sequence)
    }
    const message = this.stream.after(this.cursor, this.options.filter)
    return message === undefined ? undefined : { message, attempt: 1, count: this.given + 1 }
  }

  private give(given: Given): boolean {
    const { sequence } = given.message
    for (let i = 0; i < this.takers.length; i++) {
      const taker = this.takers[this.turn++ % this.takers.length] as Taker
      if (!taker(given)) continue
      this.given++
      this.again.delete(sequence)
      this.cursor = Math.max(this.cursor, sequence)
      this.pending.set(sequence, { attempt: given.attempt, cancel: () => {} })
      this.wait(sequence, this.options.ackWaitMs)
      return true
    }
    return false
  }

  /** Gives it again after so long, if it is still not acknowledged. */
  private wait(sequence: number, ms: number): void {
    const pending = this.pending.get(sequence)
    if (pending === undefined) return
    pending.cancel()
    pending.cancel = after(ms, () => {
      this.pending.delete(sequence)
      this.again.set(sequence, pending.attempt)
      this.pump()
    })
  }
}
