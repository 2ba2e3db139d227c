import { Buffer } from 'node:buffer'
import { Data, Message } from '../../runtime/event.ts'

/** A message as plain data, the same between threads and between nodes: head, body, tail, payload. */
export type WireMessage = readonly [head: unknown, body: Uint8Array | null, tail: unknown, payload: unknown]

/** Heads that know better than their fields what they are, like those of decoded HTTP messages. */
const plain = (value: unknown): unknown => {
  if (typeof value !== 'object' || value === null) return value
  const { toJSON } = value as { toJSON?: unknown }
  const fields = typeof toJSON === 'function' ? (toJSON as () => unknown).call(value) : value
  return typeof fields === 'object' && fields !== null ? { ...fields } : fields
}

export function toWire(message: Message): WireMessage {
  return [
    plain(message.head),
    message.body === undefined ? null : message.body.bytes(),
    plain(message.tail) ?? null,
    message.payload ?? null,
  ]
}

export function fromWire([head, body, tail, payload]: WireMessage): Message {
  const data =
    body === null ? undefined : Data.over(Buffer.from(body.buffer, body.byteOffset, body.byteLength))
  return new Message(
    (head as object | null) ?? {},
    data,
    (tail as object | null) ?? undefined,
    payload ?? undefined,
  )
}

/** Bytes that a message takes in windows: its body, and a flat guess for the rest. */
export const wireBytes = (message: Message): number => 256 + (message.body?.size ?? 0)
