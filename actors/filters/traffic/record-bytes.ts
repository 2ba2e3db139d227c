// Hot path: `writeRecord` runs in the thread that carries the traffic, once per logged exchange.

import type { Buffer } from 'node:buffer'
import { type BytesReader, type BytesWriter, roomFor } from '../../../runtime/pool/packed-bytes.ts'
import type { ExchangeRecord, MadeHead, MessageRecord } from './exchange-record.ts'

/** What is there, in the first byte of a record. */
const Has = { response: 1, ends: 2, security: 4, upstream: 8, trace: 16, place: 32, fault: 64, fields: 128 }
/** Likewise of a message. */
const HasOf = { made: 1, http10: 2, body: 4, cut: 8, shown: 16, packing: 32 }

/** Numbers of a record and of its messages, with lengths: more than they take. */
const fixedBytes = 192

/** Bytes that a record takes at most. */
export function recordRoom(record: ExchangeRecord): number {
  const { ends, upstream, request, response, traceparent, place, error, reason, blame, fields } = record
  let room = fixedBytes + 3 * (traceparent.length + fields.length) + messageRoom(request)
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

function messageRoom({ raw, made, packing, body }: MessageRecord): number {
  let room = raw.length + packing.length * 3
  if (made !== null) room += roomFor(jsonOf(made))
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

function writeMessage(message: MessageRecord, out: BytesWriter): void {
  const { made, packing, body } = message
  out.byte(
    (made === null ? 0 : HasOf.made) |
      (message.isHTTP10 ? HasOf.http10 : 0) |
      (body === null ? 0 : HasOf.body) |
      (body?.isCut ? HasOf.cut : 0) |
      (message.showsBody ? HasOf.shown : 0) |
      (packing === '' ? 0 : HasOf.packing),
  )
  out.number(message.bytes)
  if (made === null) {
    out.latin1(message.raw)
    out.count(message.lineEnd)
    out.count(message.firstEnd)
    out.count(message.secondEnd)
  } else out.text(jsonOf(made))
  if (packing !== '') out.text(packing)
  if (body !== null) out.bytes(body.buffer, body.length)
}

/** Reads what `writeRecord` wrote. Bodies are views of the memory. */
export function readRecord(from: BytesReader): ExchangeRecord {
  const has = from.byte()
  const startMs = from.number()
  const durationMs = from.number()
  const status = from.number()
  const ends = has & Has.ends ? from.bytes() : null
  const upstream = has & Has.upstream ? { host: from.text(), address: from.text(), port: from.count() } : null
  const traceparent = has & Has.trace ? from.text() : ''
  const place = has & Has.place ? from.text() : undefined
  const isFault = (has & Has.fault) !== 0
  return {
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
  const isMade = (has & HasOf.made) !== 0
  const raw = isMade ? '' : from.text()
  return {
    raw,
    lineEnd: isMade ? 0 : from.count(),
    firstEnd: isMade ? 0 : from.count(),
    secondEnd: isMade ? 0 : from.count(),
    isHTTP10: (has & HasOf.http10) !== 0,
    made: isMade ? (JSON.parse(from.text()) as MadeHead) : null,
    bytes,
    showsBody: (has & HasOf.shown) !== 0,
    packing: has & HasOf.packing ? from.text() : '',
    body: has & HasOf.body ? bodyOf(from.bytes(), (has & HasOf.cut) !== 0) : null,
  }
}

const bodyOf = (buffer: Buffer, isCut: boolean): MessageRecord['body'] => ({
  buffer,
  length: buffer.length,
  isCut,
})
