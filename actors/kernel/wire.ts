import { Buffer } from 'node:buffer'
import { parsePlainHead, plainLines, RequestHead, ResponseHead } from '../../runtime/codec/http1/index.ts'
import { TrafficError } from '../../runtime/errors.ts'
import { Data, Message } from '../../runtime/event.ts'
import type { TraceCarrier } from '../../runtime/trace/trace-context.ts'

/**
 * A message as plain data, the same between threads and between nodes: head, body, tail, payload, and where in a trace
 * it stands, if it does.
 *
 * A head of HTTP/1 travels as the text of its lines, which costs a fifth of writing out its fields when nobody has
 * changed it and a third else, and is only read at its host; one that no lines say all of, as a copy of its fields. Behind a space, which no head begins with, is a head that is itself a text.
 */
export type WireMessage = readonly [
  head: unknown,
  body: Uint8Array | null,
  tail: unknown,
  payload: unknown,
  trace?: TraceCarrier,
]

/** Deeper than any head or payload goes; what refers to itself has no end. */
const maxDepth = 64

/**
 * A copy of a value as plain data, the same as what arrives when it is sent to another thread: whoever changes the
 * value later does not change what was sent, and a receiver on this thread sees no more than one on another would.
 * Functions and symbols are left out; classes become their fields, or what their `toJSON` gives.
 *
 * @throws TrafficError `RuntimeError` when it refers to itself, or holds an integer beyond 64 bits.
 */
export function plainCopy(value: unknown, depth = 0): unknown {
  switch (typeof value) {
    case 'object':
      return value === null ? null : copyObject(value, depth)
    case 'number':
      // The frames know no negative zero.
      return value === 0 ? 0 : value
    case 'function':
    case 'symbol':
      return undefined
    case 'bigint':
      if (BigInt.asIntN(64, value) !== value)
        throw new TrafficError('RuntimeError', 'a number beyond 64 bits cannot be sent to another thread')
      return value
    default:
      return value
  }
}

function copyObject(value: object, depth: number): unknown {
  if (depth === maxDepth)
    throw new TrafficError('RuntimeError', 'a value that refers to itself cannot be sent to another thread')
  if (Array.isArray(value)) return value.map(each => plainCopy(each, depth + 1))
  if (value instanceof Uint8Array) return copyBytes(value)
  if (value instanceof Data) return copyBytes(value.bytes())
  if (value instanceof Date) return new Date(value)
  if (value instanceof Set || ArrayBuffer.isView(value))
    return Array.from(value as unknown as Iterable<unknown>, each => plainCopy(each, depth + 1))
  if (value instanceof Map)
    return new Map(
      Array.from(value, ([key, each]) => [plainCopy(key, depth + 1), plainCopy(each, depth + 1)]),
    )
  const { toJSON } = value as { toJSON?: unknown }
  if (typeof toJSON === 'function') return plainCopy((toJSON as () => unknown).call(value), depth + 1)
  const copy: Record<string, unknown> = {}
  for (const key of Object.keys(value))
    if (key !== '__proto__') copy[key] = plainCopy((value as Record<string, unknown>)[key], depth + 1)
  return copy
}

/** From the pool of small buffers: a Uint8Array made anew costs six times as much (300 ns, 2026-11). */
function copyBytes(bytes: Uint8Array): Uint8Array {
  const copy = Buffer.allocUnsafe(bytes.length)
  copy.set(bytes)
  return new Uint8Array(copy.buffer, copy.byteOffset, copy.length)
}

/** The head of a message as it was when it was to be sent, in the form in which it travels. */
export class SentHead {
  readonly wire: unknown

  /** @throws TrafficError as `plainCopy` does. */
  constructor(head: object) {
    this.wire = wireHead(head)
  }
}

function wireHead(head: object): unknown {
  if (head instanceof SentHead) return head.wire
  if (head instanceof RequestHead || head instanceof ResponseHead) {
    const lines = head.lines ?? plainLines(head)
    if (lines !== undefined) return lines
  }
  if (isBare(head)) return null
  const copy = plainCopy(head)
  return typeof copy === 'string' ? ` ${copy}` : copy
}

/** An object with nothing in it, as bytes without a protocol have it: nothing stands for it, which costs nothing to write. */
function isBare(head: object): boolean {
  if (head === null || Object.getPrototypeOf(head) !== Object.prototype) return false
  for (const _name in head) return false
  return true
}

/** The head of a message that came. */
export function headOf(wire: unknown): object {
  if (typeof wire !== 'string') return (wire as object | null) ?? {}
  if (wire.startsWith(' ')) return wire.slice(1) as unknown as object
  return parsePlainHead(wire) ?? {}
}

/** @throws TrafficError as `plainCopy` does. */
export function toWire(message: Message): WireMessage {
  const head = wireHead(message.head)
  const body = message.body === undefined ? null : message.body.bytes()
  const tail = message.tail === undefined ? null : (plainCopy(message.tail) ?? null)
  const payload = message.payload === undefined ? null : (plainCopy(message.payload) ?? null)
  return message.trace === undefined
    ? [head, body, tail, payload]
    : [head, body, tail, payload, message.trace]
}

export function fromWire([head, body, tail, payload, trace]: WireMessage): Message {
  const data =
    body === null
      ? undefined
      : Data.over(body instanceof Buffer ? body : Buffer.from(body.buffer, body.byteOffset, body.byteLength))
  const message = new Message(headOf(head), data, (tail as object | null) ?? undefined, payload ?? undefined)
  message.trace = trace
  return message
}

/** Bytes that a message takes in windows: its body, and a flat guess for the rest. */
export const wireBytes = (message: Message): number => 256 + (message.body?.size ?? 0)

/** The same for one that is on its way. */
export const wireMessageBytes = ([, body]: WireMessage): number => 256 + (body === null ? 0 : body.length)
