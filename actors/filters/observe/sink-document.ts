import { Buffer, isUtf8 } from 'node:buffer'
import { randomUUID } from 'node:crypto'
import { wallMs } from '../../../runtime/clock.ts'
import type { Message } from '../../../runtime/event.ts'
import type { SinkEntry } from '../../sink.ts'

/** A message as a document, with why it is none. */
export interface Document {
  readonly entry: SinkEntry
  readonly fault?: string | undefined
}

const none = Buffer.alloc(0)
const lineEnd = 10

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const text = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined

/** What a message has to write: its payload, or the JSON of its body; its head says under which id, when and in which trace. */
export function documentOf(message: Message, overflowBytes: number, trace?: string): Document {
  const head = message.head as { id?: unknown; timeMs?: unknown; traceId?: unknown; spanId?: unknown }
  const id = text(head.id) ?? (typeof head.id === 'number' ? String(head.id) : randomUUID())
  const make = (json: string | Buffer, document: Record<string, unknown>, fault?: string): Document => ({
    entry: {
      id,
      timeMs: timeOf(head.timeMs, document['@timestamp']),
      json: typeof json === 'string' ? Buffer.from(json) : json,
      traceId: text(head.traceId),
      spanId: text(head.spanId),
      trace,
    },
    fault,
  })
  const { payload } = message
  if (payload !== undefined) return fromPayload(payload, make)
  const body = message.body?.bytes() ?? none
  if (overflowBytes > 0)
    return make(body, {}, `the document is ${overflowBytes} bytes larger than bodyLimit lets in`)
  try {
    const document: unknown = JSON.parse(body.toString())
    if (!isObject(document)) return make(body, {}, 'the body of the message is JSON, and no object')
    // A document of several lines is made one of one, and what is no UTF-8 is made some: the other bytes stay as they came.
    const isAsItShouldBe = !body.includes(lineEnd) && isUtf8(body)
    return make(isAsItShouldBe ? body : JSON.stringify(document), document)
  } catch (error) {
    return make(body, {}, `the message has no payload, and its body is no JSON: ${(error as Error).message}`)
  }
}

function fromPayload(
  payload: unknown,
  make: (json: string, document: Record<string, unknown>, fault?: string) => Document,
): Document {
  if (!isObject(payload)) return make(String(payload), {}, 'the payload of the message is no object')
  try {
    return make(JSON.stringify(payload), payload)
  } catch (error) {
    return make('', {}, `the payload of the message cannot be written as JSON: ${(error as Error).message}`)
  }
}

function timeOf(given: unknown, timestamp: unknown): number {
  if (typeof given === 'number') return given
  const parsed = typeof timestamp === 'string' ? Date.parse(timestamp) : Number.NaN
  return Number.isNaN(parsed) ? wallMs() : parsed
}
