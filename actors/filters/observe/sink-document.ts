import { randomUUID } from 'node:crypto'
import { wallMs } from '../../../runtime/clock.ts'
import type { Message } from '../../../runtime/event.ts'
import type { SinkEntry } from '../../sink.ts'

/** A message as a document, with why it is none. */
export interface Document {
  readonly entry: SinkEntry
  readonly fault?: string | undefined
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const text = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined

/** What a message has to write: its payload, or the JSON of its body; its head says under which id, when and in which trace. */
export function documentOf(message: Message, overflowBytes: number, trace?: string): Document {
  const head = message.head as { id?: unknown; timeMs?: unknown; traceId?: unknown; spanId?: unknown }
  const id = text(head.id) ?? (typeof head.id === 'number' ? String(head.id) : randomUUID())
  const make = (json: string, document: Record<string, unknown>, fault?: string): Document => ({
    entry: {
      id,
      timeMs: timeOf(head.timeMs, document['@timestamp']),
      json,
      traceId: text(head.traceId),
      spanId: text(head.spanId),
      trace,
    },
    fault,
  })
  const { payload } = message
  if (payload !== undefined) return fromPayload(payload, make)
  const body = message.body?.toString() ?? ''
  if (overflowBytes > 0)
    return make(body, {}, `the document is ${overflowBytes} bytes larger than bodyLimit lets in`)
  try {
    const document: unknown = JSON.parse(body)
    if (!isObject(document)) return make(body, {}, 'the body of the message is JSON, and no object')
    // A document of several lines is made one of one.
    return make(body.includes('\n') ? JSON.stringify(document) : body, document)
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
