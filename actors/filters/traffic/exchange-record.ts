import type { Buffer } from 'node:buffer'
import type { RequestHead } from '../../../runtime/codec/http1/index.ts'
import type { Upstream } from '../../pipeline.ts'
import type { BodyCapture } from './body-capture.ts'
import { endsOf, tunnelEnds } from './connection-ends.ts'
import type { Exchange, LoggedMessage } from './exchange.ts'
import type { Fields, HeadSnapshot } from './head-snapshot.ts'

/** A head as it is written about: its lines, or what a script made of it. */
export interface HeadRecord {
  /** The lines as received, characters of one byte; '' when there is `made`. */
  readonly raw: string
  /** Where in `raw` the first line ends, and its first two parts. */
  readonly lineEnd: number
  readonly firstEnd: number
  readonly secondEnd: number
  readonly isHTTP10: boolean
  readonly made: MadeHead | null
}

/** A head that a script made or changed. */
export interface MadeHead {
  readonly method: string
  readonly target: string
  /** Names as they are spelled. */
  readonly headers: Readonly<Record<string, string>>
}

export interface MessageRecord {
  readonly head: HeadRecord
  /** Of the whole body. */
  readonly bytes: number
  /** Its Content-Type; null when nothing of the body is recorded. */
  readonly contentType: string | null
  /** Its Content-Encoding, when that is to be undone before it is written; else ''. */
  readonly packing: string
  /** The beginning of the body; null when it is not recorded. */
  readonly body: Pick<BodyCapture, 'buffer' | 'length' | 'isCut'> | null
}

/** All that a document is made of, as plain data: it can be written down and read again in another thread. */
export interface ExchangeRecord {
  readonly id: string
  readonly startMs: number
  readonly durationMs: number
  /** 0 when the client got none. */
  readonly status: number
  readonly error: string
  readonly reason: string
  readonly blame: string
  readonly upstream: Upstream | null
  /** Members about the connection, in ASCII; null when it came over none. */
  readonly ends: Buffer | null
  readonly isSecure: boolean
  /** Where in a trace it stands; '' when it is not traced. */
  readonly traceparent: string
  /** The same, when that is recorded. */
  readonly place: string | undefined
  /** What a script adds, a JSON object; '' for nothing. */
  readonly fields: string
  readonly request: MessageRecord
  readonly response: MessageRecord | null
}

/** What is known of an exchange beside what it noted itself. */
interface Beside {
  readonly id: string
  readonly place: string | undefined
  readonly fields: string
  /** Whether bodies are written as they were before they were compressed. */
  readonly unpacks: boolean
}

/** It holds what the exchange captured of bodies: to be used before that is released. */
export function recordOf(exchange: Exchange, { id, place, fields, unpacks }: Beside): ExchangeRecord {
  const { request, response, inbound, trace } = exchange
  return {
    id,
    startMs: exchange.startMs,
    durationMs: exchange.durationMs,
    status: exchange.status,
    error: exchange.error,
    reason: exchange.reason,
    blame: exchange.blame,
    upstream: exchange.upstream,
    ends: inbound === undefined ? null : exchange.isTunnel ? tunnelEnds(inbound, exchange) : endsOf(inbound),
    isSecure: inbound?.tls !== undefined,
    traceparent: trace === null ? '' : trace.traceparent,
    place,
    fields,
    request: messageRecord(request, unpacks),
    response: response === null ? null : messageRecord(response, unpacks),
  }
}

function messageRecord(message: LoggedMessage, unpacks: boolean): MessageRecord {
  const { snapshot, bytes, type, capture } = message
  return {
    head: headRecord(snapshot),
    bytes,
    contentType: type === null ? null : message.contentType,
    packing: unpacks && capture !== null ? (message.field('content-encoding') ?? '') : '',
    body: capture,
  }
}

function headRecord({ head, raw, copy }: HeadSnapshot): HeadRecord {
  if (copy !== null) {
    const made = {
      method: String(copy.method ?? 'GET'),
      target: String(copy.path ?? '/'),
      headers: textsOf(copy.headers),
    }
    return { raw: '', lineEnd: 0, firstEnd: 0, secondEnd: 0, isHTTP10: false, made }
  }
  const { lineEnd, firstEnd = 0, secondEnd, httpMinor } = head as RequestHead
  return { raw, lineEnd, firstEnd, secondEnd, isHTTP10: httpMinor === 0, made: null }
}

/** Fields as scripts write them, as text. */
function textsOf(fields: Fields): Readonly<Record<string, string>> {
  const texts: [string, string][] = []
  for (const name of Object.keys(fields)) {
    const value = fields[name]
    if (value === undefined || value === null) continue
    texts.push([name, Array.isArray(value) ? value.join(', ') : String(value)])
  }
  return Object.fromEntries(texts)
}
