// Hot path: `writeRecord` runs in the thread that carries the traffic, once per logged exchange.

import type { Buffer } from 'node:buffer'
import { type BytesReader, type BytesWriter, roomFor } from '../../../runtime/pool/packed-bytes.ts'
import type { ExchangeRecord, HeadRecord, MadeHead, MessageRecord } from './exchange-record.ts'

/** What is there, in the first byte of a record. */
const Has = { response: 1, ends: 2, security: 4, upstream: 8, trace: 16, place: 32, fault: 64, fields: 128 }
/** Likewise of a message. */
const HasOf = { made: 1, http10: 2, body: 4, cut: 8, type: 16, packing: 32 }

/** Numbers of a record and of its messages, with lengths: more than they take. */
const fixedBytes = 192

/** Bytes that a record takes at most. */
export function recordRoom(record: ExchangeRecord): number {
  const { id, ends, upstream, request, response, traceparent, place, error, reason, blame, fields } = record
  let room = fixedBytes + 3 * (id.length + traceparent.length + fields.length) + messageRoom(request)
  if (response !== null) room += messageRoom(response)
  if (ends !== null) room += ends.length
  if (upstream !== null) room += roomFor(upstream.host) + roomFor(upstream.address)
  if (place !== undefined) room += roomFor(place)
  return room + 3 * (error.length + reason.length + blame.length)
}

/** A head that a script made, as it travels: made JSON once, for its room and for its bytes. */
const madeJSON = new WeakMap<MadeHead, string>()

function jsonOf(made: MadeHead): string {
  let json = madeJSON.get(made)
  if (json === undefined) {
    json = JSON.stringify(made)
    madeJSON.set(made, json)
  }
  return json
}

function messageRoom({ head, contentType, packing, body }: MessageRecord): number {
  let room = head.raw.length + packing.length * 3
  if (head.made !== null) room += roomFor(jsonOf(head.made))
  if (contentType !== null) room += 3 * contentType.length
  return body === null ? room : room + body.length
}

/** Writes what documents are made of. The writer has `recordRoom` for it. */
export function writeRecord(record: ExchangeRecord, out: BytesWriter): void {
  const { request, response, ends, upstream, traceparent, place, error, fields } = record
  out.byte(
    (response === null ? 0 : Has.response) |
      (ends === null ? 0 : Has.ends) |
      (record.isSecure ? Has.security : 0) |
      (upstream === null ? 0 : Has.upstream) |
      (traceparent === '' ? 0 : Has.trace) |
      (place === undefined ? 0 : Has.place) |
      (error === '' && record.blame === '' ? 0 : Has.fault) |
      (fields === '' ? 0 : Has.fields),
  )
  out.text(record.id)
  out.number(record.startMs)
  out.number(record.durationMs)
  out.number(record.status)
  if (ends !== null) out.bytes(ends, ends.length)
  if (upstream !== null) {
    out.text(upstream.host)
    out.text(upstream.address)
    out.count(upstream.port)
  }
  if (traceparent !== '') out.text(traceparent)
  if (place !== undefined) out.text(place)
  if (error !== '' || record.blame !== '') {
    out.text(error)
    out.text(record.reason)
    out.text(record.blame)
  }
  if (fields !== '') out.text(fields)
  writeMessage(request, out)
  if (response !== null) writeMessage(response, out)
}

function writeMessage({ head, bytes, contentType, packing, body }: MessageRecord, out: BytesWriter): void {
  const { made } = head
  out.byte(
    (made === null ? 0 : HasOf.made) |
      (head.isHTTP10 ? HasOf.http10 : 0) |
      (body === null ? 0 : HasOf.body) |
      (body?.isCut ? HasOf.cut : 0) |
      (contentType === null ? 0 : HasOf.type) |
      (packing === '' ? 0 : HasOf.packing),
  )
  out.number(bytes)
  if (made === null) {
    out.latin1(head.raw)
    out.count(head.lineEnd)
    out.count(head.firstEnd)
    out.count(head.secondEnd)
  } else out.text(jsonOf(made))
  if (contentType !== null) out.text(contentType)
  if (packing !== '') out.text(packing)
  if (body !== null) out.bytes(body.buffer, body.length)
}

/** Reads what `writeRecord` wrote. Bodies are views of the memory. */
export function readRecord(from: BytesReader): ExchangeRecord {
  const has = from.byte()
  const id = from.text()
  const startMs = from.number()
  const durationMs = from.number()
  const status = from.number()
  const ends = has & Has.ends ? from.bytes() : null
  const upstream = has & Has.upstream ? { host: from.text(), address: from.text(), port: from.count() } : null
  const traceparent = has & Has.trace ? from.text() : ''
  const place = has & Has.place ? from.text() : undefined
  const isFault = (has & Has.fault) !== 0
  return {
    id,
    startMs,
    durationMs,
    status,
    ends,
    isSecure: (has & Has.security) !== 0,
    upstream,
    traceparent,
    place,
    error: isFault ? from.text() : '',
    reason: isFault ? from.text() : '',
    blame: isFault ? from.text() : '',
    fields: has & Has.fields ? from.text() : '',
    request: readMessage(from),
    response: has & Has.response ? readMessage(from) : null,
  }
}

function readMessage(from: BytesReader): MessageRecord {
  const has = from.byte()
  const bytes = from.number()
  const head = readHead(from, (has & HasOf.made) !== 0, (has & HasOf.http10) !== 0)
  const contentType = has & HasOf.type ? from.text() : null
  const packing = has & HasOf.packing ? from.text() : ''
  const body = has & HasOf.body ? bodyOf(from.bytes(), (has & HasOf.cut) !== 0) : null
  return { head, bytes, contentType, packing, body }
}

const bodyOf = (buffer: Buffer, isCut: boolean): MessageRecord['body'] => ({
  buffer,
  length: buffer.length,
  isCut,
})

function readHead(from: BytesReader, isMade: boolean, isHTTP10: boolean): HeadRecord {
  if (isMade) {
    const made = JSON.parse(from.text()) as MadeHead
    return { raw: '', lineEnd: 0, firstEnd: 0, secondEnd: 0, isHTTP10, made }
  }
  const raw = from.text()
  return {
    raw,
    lineEnd: from.count(),
    firstEnd: from.count(),
    secondEnd: from.count(),
    isHTTP10,
    made: null,
  }
}
