// Hot path: a head that nobody changed is its own encoding; string concatenation only makes a rope.

import { TrafficError } from '../../errors.ts'
import { traceFields } from '../../trace/propagation.ts'
import { fieldLines, targetText, tokenText, valueText } from './field-writer.ts'
import { dropFields, type HeaderFields, isExcludedFromTrailers } from './fields.ts'
import { Framing } from './framing.ts'
import { type RequestFacts, RequestHead, type ResponseFacts, ResponseHead, splitTarget } from './head.ts'
import { reasonOf } from './status-text.ts'

/** What a script may give as the head of a request. */
export interface RequestLike {
  readonly protocol?: string | undefined
  readonly method?: string | undefined
  readonly path?: string | undefined
  readonly headers?: HeaderFields | undefined
}

/** What a script may give as the head of a response. */
export interface ResponseLike {
  readonly protocol?: string | undefined
  readonly status?: number | undefined
  readonly statusText?: string | undefined
  readonly headers?: HeaderFields | undefined
}

/** What to say about the connection; '' says nothing, which in HTTP/1.1 means that it goes on. */
export type ConnectionText = '' | 'close' | 'keep-alive' | 'upgrade'

const framingFields = ['content-length', 'transfer-encoding'] as const

const framingLine = (framing: Framing): string =>
  framing >= 0
    ? `Content-Length: ${framing}\r\n`
    : framing === Framing.chunked
      ? 'Transfer-Encoding: chunked\r\n'
      : ''

/** The lines about the connection and the empty line. */
function lastLines(connection: ConnectionText, upgrade: unknown): string {
  if (connection === '') return '\r\n'
  if (connection === 'close') return 'Connection: close\r\n\r\n'
  if (connection === 'keep-alive') return 'Connection: keep-alive\r\n\r\n'
  return `Connection: upgrade\r\nUpgrade: ${valueText('Field upgrade', String(upgrade ?? ''))}\r\n\r\n`
}

/** Whether a request with this method says that it has no body, RFC 9110 §8.6. */
const anticipatesBody = (method: string): boolean =>
  method === 'POST' || method === 'PUT' || method === 'PATCH'

/**
 * Head of a request as Latin-1 text, with its empty line.
 *
 * @param framing of the body that will be sent; `untilClose` is not for requests.
 * @param host is sent as Host when the head has none, as HTTP/1.1 demands one (RFC 9112 §3.2).
 * @param trace lines that tell of the trace, in the place of those that came; '' leaves the head as it is.
 */
export function encodeRequestHead(
  head: RequestHead | RequestLike,
  framing: Framing,
  connection: ConnectionText = '',
  host = '',
  trace = '',
): string {
  if (framing === Framing.untilClose)
    throw new TrafficError('RuntimeError', 'A request body cannot last until the connection closes')
  if (!(head instanceof RequestHead)) {
    const revived = reviveRequest(head)
    return revived === undefined
      ? buildRequest(head, undefined, framing, connection, host, trace)
      : encodeRequestHead(revived, framing, connection, host, trace)
  }
  if (head.isTouched && head.isChanged) return buildRequest(head, head, framing, connection, host, trace)
  let text = head.raw
  if (framing !== head.framing) text = changeRequestFraming(head, text, framing)
  if (head.isLineChanged || head.httpMinor === 0 || head.isAbsolute)
    text = `${requestLine(head)}${text.slice(head.lineEnd)}`
  if (head.hostCount === 0 && !head.isAbsolute) text += `Host: ${valueText('Host', host)}\r\n`
  if (trace !== '') text = (head.hasTrace ? withoutTrace(text) : text) + trace
  return text + lastLines(connection, head.upgrade)
}

/** The start line of a decoded head, in the form that an origin server expects (RFC 9112 §3.2.1). */
function requestLine(head: RequestHead): string {
  const { method } = head
  if (head.isLineChanged) tokenText('Method', method)
  let target = head.path
  const isOwn = target !== head.raw.slice(head.firstEnd + 1, head.secondEnd)
  if (isOwn) target = targetText(target)
  else if (head.isAbsolute) {
    target = splitTarget(target).path
    // RFC 9112 §3.2.4: OPTIONS of a URI without path and query is about the server.
    if (method === 'OPTIONS' && target === '/' && !head.path.endsWith('/')) target = '*'
  }
  return `${method} ${target} HTTP/1.1\r\n`
}

/** No body and a body of length 0 are the same, except that some methods owe an answer to the question. */
function changeRequestFraming(head: RequestHead, text: string, framing: Framing): string {
  const isEmpty = framing === 0 || framing === Framing.none
  if (isEmpty && head.framing === 0) return text
  if (isEmpty && head.framing === Framing.none)
    return anticipatesBody(head.method) ? text + framingLine(0) : text
  const rest = head.framing === Framing.none ? text : dropFields(text, head.lineEnd, framingFields)
  return rest + framingLine(isEmpty ? (anticipatesBody(head.method) ? 0 : Framing.none) : framing)
}

/** The start line may have been written anew, so where it ends is looked for. */
const withoutTrace = (text: string): string => dropFields(text, text.indexOf('\n') + 1, traceFields)

const isRequestOwnOrTrace = (lowerName: string): boolean =>
  isRequestOwn(lowerName) || traceFields.includes(lowerName as (typeof traceFields)[number])

const isRequestOwn = (lowerName: string): boolean => lowerName === 'upgrade'

function buildRequest(
  head: RequestLike,
  decoded: RequestHead | undefined,
  framing: Framing,
  connection: ConnectionText,
  host: string,
  trace: string,
): string {
  const method = head.method ?? 'GET'
  const headers = head.headers ?? {}
  let text =
    decoded === undefined
      ? `${tokenText('Method', String(method))} ${targetText(String(head.path ?? '/'))} HTTP/1.1\r\n`
      : requestLine(decoded)
  text += fieldLines(headers, decoded?.parsed, trace === '' ? isRequestOwn : isRequestOwnOrTrace) + trace
  if (!hasHost(headers)) text += `Host: ${valueText('Host', host)}\r\n`
  const isEmpty = framing === 0 || framing === Framing.none
  text += framingLine(isEmpty ? (anticipatesBody(method) ? 0 : Framing.none) : framing)
  return text + lastLines(connection, headers.upgrade ?? decoded?.upgrade)
}

function hasHost(headers: HeaderFields): boolean {
  const host = headers.host
  if (host !== undefined) return host !== null
  for (const name in headers) {
    const value = headers[name]
    if (name.length === 4 && value !== undefined && value !== null && name.toLowerCase() === 'host')
      return true
  }
  return false
}

/**
 * Head of a response as Latin-1 text, with its empty line.
 *
 * @param framing of the body that will be sent. With `none` the head keeps what it says about the length of a body
 *   that is not sent (answers to HEAD, 304).
 */
export function encodeResponseHead(
  head: ResponseHead | ResponseLike,
  framing: Framing,
  connection: ConnectionText = '',
): string {
  if (head instanceof RequestHead)
    return buildResponse({ headers: head.headers }, undefined, framing, connection)
  if (!(head instanceof ResponseHead)) {
    const echoed = reviveRequest(head as object)
    if (echoed !== undefined) {
      const { status, statusText } = head
      return buildResponse({ status, statusText, headers: echoed.headers }, undefined, framing, connection)
    }
    const revived = reviveResponse(head)
    return revived === undefined
      ? buildResponse(head, undefined, framing, connection)
      : encodeResponseHead(revived, framing, connection)
  }
  if ((head.isTouched && head.isChanged) || head.isLineChanged)
    return buildResponse(head, head, framing, connection)
  let text = head.raw
  if (framing === Framing.none ? head.framing === Framing.unknown : framing !== head.framing) {
    const rest = dropFields(text, head.lineEnd, framingFields)
    text = rest + framingLine(isBodilessStatus(head.status) ? Framing.none : framing)
  }
  if (head.httpMinor === 0) text = `HTTP/1.1${text.slice(8)}`
  return text + lastLines(connection, head.upgrade)
}

/** RFC 9110 §8.6 and RFC 9112 §6.1: these have no body, whatever comes after them. */
const isBodilessStatus = (status: number): boolean => status < 200 || status === 204 || status === 304

function buildResponse(
  head: ResponseLike,
  decoded: ResponseHead | undefined,
  framing: Framing,
  connection: ConnectionText,
): string {
  const status = head.status === undefined ? 200 : Number(head.status)
  if (!Number.isInteger(status) || status < 100 || status > 999)
    throw new TrafficError(
      'RuntimeError',
      `Status ${JSON.stringify(head.status)} is not a number from 100 to 999`,
    )
  const reason =
    head.statusText === undefined || head.statusText === '' ? reasonOf(status) : String(head.statusText)
  const headers = head.headers ?? {}
  let text = `HTTP/1.1 ${status} ${valueText('Status text', reason)}\r\n`
  text += fieldLines(headers, decoded?.parsed, isRequestOwn)
  if (framing !== Framing.none) {
    text += framingLine(isBodilessStatus(status) ? Framing.none : framing)
  } else if (
    decoded !== undefined &&
    decoded.framing !== Framing.unknown &&
    status >= 200 &&
    status !== 204
  ) {
    // What the origin said about the body that a GET would have had was kept from the script: hand it on.
    text += framingLine(decoded.isChunked ? Framing.chunked : decoded.contentLength)
  }
  return text + lastLines(connection, headers.upgrade ?? decoded?.upgrade)
}

/**
 * `{ ...head, path: '/other' }` copies the fields of the object, not what its accessors give. Such a copy is made a
 * head again, with what was put over it.
 */
function reviveRequest(copy: RequestLike): RequestHead | undefined {
  const facts = copy as RequestLike &
    Partial<RequestFacts> & { raw?: unknown; verb?: string; keepAlive?: boolean }
  if (typeof facts.raw !== 'string' || facts.verb === undefined) return undefined
  const head = new RequestHead(
    facts.raw,
    { ...facts, method: facts.verb } as unknown as RequestFacts,
    (copy as RequestHead).framing,
    facts.keepAlive === true,
  )
  return Object.assign(head, copy)
}

function reviveResponse(copy: ResponseLike): ResponseHead | undefined {
  const facts = copy as ResponseLike &
    Partial<ResponseFacts> & { raw?: unknown; code?: number; keepAlive?: boolean }
  if (typeof facts.raw !== 'string' || facts.code === undefined) return undefined
  const head = new ResponseHead(
    facts.raw,
    { ...facts, status: facts.code } as unknown as ResponseFacts,
    (copy as ResponseHead).framing,
    facts.keepAlive === true,
  )
  return Object.assign(head, copy)
}

/** An interim response that tells the client to send the body, RFC 9110 §15.2.1. */
export const continueResponse = 'HTTP/1.1 100 Continue\r\n\r\n'

/** What comes before the bytes of a chunk; after them comes `chunkEnd`. `size` is above 0: a chunk of 0 is the last. */
export const chunkHeader = (size: number): string => `${size.toString(16)}\r\n`

export const chunkEnd = '\r\n'

/** The last chunk, with trailers if there are any, and the end of the body. */
export function lastChunk(trailers?: HeaderFields | undefined): string {
  if (trailers === undefined) return '0\r\n\r\n'
  return `0\r\n${fieldLines(trailers, undefined, isExcludedFromTrailers)}\r\n`
}
