// Hot path: an event is packed once on its way to the stream, and unpacked once at its host.

import { Packr } from 'msgpackr'
import type { WireMessage } from '../../actors/kernel/wire.ts'
import { isWireMessage } from '../../actors/kernel/wire-check.ts'
import { TrafficError } from '../../runtime/errors.ts'
import { packing } from '../../runtime/pool/frame.ts'
import { readPacked } from '../wire-reader.ts'
import { WireWriter } from '../wire-writer.ts'

/** One event: its key, what it is, its own id if it has one, or where its parts are when it is too large for one message. */
export type BatchItem = readonly [
  key: string,
  wire: WireMessage | null,
  id?: string | null,
  parts?: readonly number[] | null,
]

/** What one message of a stream holds: events of one shard from one sender, in the order in which they were sent. */
export interface Batch {
  /** Unique; with the place of an event in the batch it makes the event's id. */
  readonly id: string
  readonly items: readonly BatchItem[]
}

/**
 * The first byte of what this program writes to streams, and the only one that it can read. Behind it comes msgpack, as
 * between threads, with records for objects.
 */
export const batchVersion = 1

const packr = new Packr(packing)

/** Plain data behind the version. */
export function encode(value: unknown): Uint8Array {
  const packed = packr.pack(value)
  const bytes = new Uint8Array(packed.length + 1)
  bytes[0] = batchVersion
  bytes.set(packed, 1)
  return bytes
}

/**
 * What `encode` was given; byte arrays in it are views.
 *
 * @throws TrafficError `WireVersion` when a newer program wrote it, `ClusterError` when it is nothing that one wrote
 */
export function decode(bytes: Uint8Array): unknown {
  if (bytes[0] !== batchVersion)
    throw new TrafficError(
      'WireVersion',
      `it has version ${bytes[0] ?? 'none'}, and this program reads ${batchVersion}`,
    )
  try {
    return readPacked(bytes)
  } catch (thrown) {
    throw unreadable(thrown)
  }
}

const writer = new WireWriter()

export function encodeBatch({ id, items }: Batch): Uint8Array {
  writer.begin(batchVersion)
  writer.array(2)
  writer.text(id)
  writer.array(items.length)
  for (const item of items) {
    writer.array(item.length)
    writer.text(item[0])
    if (item[1] === null) writer.nil()
    else writer.message(item[1])
    for (let i = 2; i < item.length; i++) writer.value(item[i] ?? null)
  }
  return writer.take()
}

/** @throws TrafficError as `decode` does */
export function decodeBatch(bytes: Uint8Array): Batch {
  const value = decode(bytes)
  if (!Array.isArray(value) || typeof value[0] !== 'string' || !Array.isArray(value[1])) throw unreadable()
  if (!value[1].every(isItem)) throw unreadable()
  return { id: value[0], items: value[1] as BatchItem[] }
}

/** A message, or the places of its parts: one of both there is. */
function isItem(item: unknown): boolean {
  if (!Array.isArray(item) || typeof item[0] !== 'string') return false
  const [, wire, id, parts] = item as unknown[]
  if (typeof (id ?? '') !== 'string') return false
  if (parts === undefined || parts === null) return isWireMessage(wire)
  return wire === null && Array.isArray(parts) && parts.every(isSequence)
}

const isSequence = (part: unknown): boolean => Number.isSafeInteger(part) && (part as number) > 0

/** An event that came in parts, put together. @throws TrafficError as `decode` does */
export function decodeMessage(bytes: Uint8Array): WireMessage {
  const value = decode(bytes)
  if (isWireMessage(value)) return value
  throw unreadable()
}

const unreadable = (cause?: unknown): TrafficError =>
  new TrafficError('ClusterError', 'a message in a stream of Sluice is none of its own', cause)

/** The id of an event: its own, or one that its place gives it, the same however often it is delivered. */
export const eventId = ({ id, items }: Batch, index: number): string => items[index]?.[2] ?? `${id}.${index}`
