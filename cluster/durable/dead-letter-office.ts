import type { WireMessage } from '../../actors/kernel/wire.ts'
import { isWireMessage } from '../../actors/kernel/wire-check.ts'
import { wallMs } from '../../runtime/clock.ts'
import { type FaultRecord, TrafficError } from '../../runtime/errors.ts'
import type { Bus, StoredMessage } from '../bus/bus.ts'
import { type BatchItem, decode, encode, encodeBatch } from './batch.ts'
import { deadLetterStream, deadLetterSubject, shardSubjects } from './names.ts'
import { deadLetterStreamOptions } from './stream-setup.ts'

/** An event that was given up. */
export interface DeadEvent {
  readonly pipeline: string
  readonly key: string
  /** The event's id. */
  readonly id: string
  /**
   * 'failed': the pipeline failed on it, `fault` says how; 'crashed': those who had it died; 'unreadable': it is none that
   * this program can read.
   */
  readonly reason: 'failed' | 'crashed' | 'unreadable'
  readonly fault?: FaultRecord | undefined
  readonly tries: number
  /** Name of the node that gave it up. */
  readonly node: string
  /** Where it was stored, and is stored again by `replay`. */
  readonly subject: string
  readonly timeMs: number
  /** The message; null when it is in parts, or unreadable. */
  readonly wire: WireMessage | null
  /** Sequences of its parts. */
  readonly parts?: readonly number[] | undefined
}

/** One that is kept. */
export interface KeptDeadEvent extends DeadEvent {
  /** Its number in the stream of dead letters. */
  readonly sequence: number
}

const storeMs = 5_000

/** The dead letters of a cluster: a stream that keeps events that were given up, for people to look at. */
export class DeadLetterOffice {
  private readonly bus: Bus
  private readonly cluster: string
  private opening: Promise<void> | undefined

  constructor(bus: Bus, cluster: string) {
    this.bus = bus
    this.cluster = cluster
  }

  /** Resolves when it is stored. An event that two hosts give up is kept once. */
  async add(event: Omit<DeadEvent, 'timeMs'>): Promise<void> {
    await this.open()
    const letter = { ...event, timeMs: wallMs() }
    const id = `${event.pipeline} ${event.subject} ${event.id}`
    const subject = deadLetterSubject(this.cluster, event.pipeline)
    await this.bus.streams.publish(subject, encode(this.fitting(letter)), { id, deadlineMs: storeMs })
  }

  /** The message is what counts: when there is no room for both, it comes without what explains its failure. */
  private fitting(letter: DeadEvent): DeadEvent {
    if (encode(letter).length + 1024 <= this.bus.maxPayload) return letter
    const { fault } = letter
    return { ...letter, fault: fault && { code: fault.code, message: fault.message.slice(0, 200) } }
  }

  private open(): Promise<void> {
    this.opening ??= this.bus.streams.ensure(deadLetterStreamOptions(this.cluster, this.bus)).catch(error => {
      this.opening = undefined
      throw error
    })
    return this.opening
  }

  /**
   * The newest ones, newest first.
   *
   * @param limit how many at most
   * @param pipeline only those of this one
   */
  async list(limit = 100, pipeline?: string): Promise<KeptDeadEvent[]> {
    const { streams } = this.bus
    const stream = deadLetterStream(this.cluster)
    const info = await streams.info(stream)
    const found: KeptDeadEvent[] = []
    if (info === undefined || info.messages === 0) return found
    const filter = pipeline && deadLetterSubject(this.cluster, pipeline)
    // Backwards in ranges, each twice as long as the one before: most of them may be deleted, or of other pipelines.
    let through = info.lastSequence
    for (let length = limit; through >= info.firstSequence && found.length < limit; length *= 2) {
      const from = Math.max(info.firstSequence, through - length + 1)
      const read = await streams.last(stream, { from, through, filter, count: limit - found.length })
      for (const stored of read.toReversed()) {
        const event = readLetter(stored)
        if (pipeline === undefined || event.pipeline === pipeline) found.push(event)
      }
      through = from - 1
    }
    return found
  }

  /** Undefined when there is no such one. */
  async show(sequence: number): Promise<KeptDeadEvent | undefined> {
    const stored = await this.bus.streams.get(deadLetterStream(this.cluster), sequence)
    return stored === undefined ? undefined : readLetter(stored)
  }

  /**
   * Stores it for its pipeline again, under a new id, and deletes it here. Gives the sequence that it has there, or
   * undefined when there is no such dead letter.
   */
  async replay(sequence: number): Promise<number | undefined> {
    const event = await this.show(sequence)
    if (event === undefined) return undefined
    if (event.reason === 'unreadable')
      throw new TrafficError('ClusterError', `dead letter ${sequence} cannot be read, and so not replayed`)
    // With the rights of who replays, to nowhere but where events of that pipeline are.
    if (!event.subject.startsWith(shardSubjects(this.cluster, event.pipeline)))
      throw new TrafficError(
        'ClusterError',
        `dead letter ${sequence} says that it was in '${event.subject}', which is no place of pipeline '${event.pipeline}'`,
      )
    // Of its place here: replayed twice, because deleting it failed, it is stored once.
    const id = `replay-${this.cluster}-${sequence}`
    const item: BatchItem = [event.key, event.wire, null, event.parts ?? null]
    const { sequence: stored } = await this.bus.streams.publish(
      event.subject,
      encodeBatch({ id, items: [item] }),
      {
        id,
        deadlineMs: storeMs,
      },
    )
    await this.delete(sequence)
    return stored
  }

  /** False when there is no such one. */
  delete(sequence: number): Promise<boolean> {
    return this.bus.streams.delete(deadLetterStream(this.cluster), sequence)
  }
}

/** What is none, because a newer program wrote it or somebody else, is shown as that, and can be deleted like the others. */
function readLetter({ sequence, payload }: StoredMessage): KeptDeadEvent {
  let value: unknown
  try {
    value = decode(payload)
  } catch {
    // Told below.
  }
  if (isDeadEvent(value)) return { ...value, sequence }
  const nothing = { pipeline: '', key: '', id: '', tries: 0, node: '', subject: '', timeMs: 0, wire: null }
  return { ...nothing, reason: 'unreadable', sequence }
}

function isDeadEvent(value: unknown): value is DeadEvent {
  if (typeof value !== 'object' || value === null) return false
  const it = value as Partial<Record<keyof DeadEvent, unknown>>
  const { pipeline, key, id, reason, node, subject, tries, timeMs, wire, parts, fault } = it
  return (
    [pipeline, key, id, reason, node, subject].every(each => typeof each === 'string') &&
    typeof tries === 'number' &&
    Math.abs(Number(timeMs)) <= latestMs &&
    (wire === null || isWireMessage(wire)) &&
    (parts === undefined || parts === null || (Array.isArray(parts) && parts.every(Number.isSafeInteger))) &&
    (fault === undefined || fault === null || isFault(fault))
  )
}

/** As far as dates go. */
const latestMs = 8.64e15

function isFault(value: unknown): boolean {
  const { code, message, stack = '' } = Object(value) as Partial<Record<keyof FaultRecord, unknown>>
  return [code, message, stack].every(each => typeof each === 'string')
}
