// Hot path: two heads of each logged exchange become text here.

import { Buffer } from 'node:buffer'
import type { HeadRecord } from './exchange-record.ts'
import { HeadFields } from './head-fields.ts'
import { type JSONWriter, textToJSON } from './json-writer.ts'
import { mediaTypeOf } from './media-type.ts'
import type { Redaction } from './redaction.ts'
import { targetOf, urlJSON } from './request-target.ts'

/** What a head gives to a document beside what is written of it at once. */
export interface HeadText {
  readonly raw: string
  readonly isSecure: boolean
  /** What was written of it; null when it is not remembered. */
  readonly members: Buffer | null
  readonly isASCII: boolean
  /** Members of the document, each with a comma in front: `url`, `user_agent`. Of requests only. */
  readonly more: string
  readonly contentType: string
  readonly contentEncoding: string
  /** As the request says itself. */
  readonly traceId: string | undefined
  readonly spanId: string | undefined
}

const traceparentOf = /^[\da-f]{2}-(?!0{32})([\da-f]{32})-(?!0{16})([\da-f]{16})-[\da-f]{2}/

const slots = 128
const maxLength = 1024
/** One head in so many that are not known is learnt. */
const learnEvery = 8

/**
 * Makes heads text, and remembers some: clients and servers say the same over and over (see `HeadMemory` of the codec). It
 * holds at most 256 heads of at most 1 KiB for each place in the script.
 */
export class HeadTexts {
  private readonly redaction: Redaction
  private readonly fields: HeadFields
  private readonly withFields: boolean
  private readonly hidesType: boolean
  private readonly requests: (HeadText | undefined)[] = new Array(slots).fill(undefined)
  private readonly responses: (HeadText | undefined)[] = new Array(slots).fill(undefined)
  private misses = 0

  constructor(redaction: Redaction, withFields: boolean) {
    this.redaction = redaction
    this.fields = new HeadFields(redaction)
    this.withFields = withFields
    this.hidesType = redaction.hidesField('content-type')
  }

  /**
   * Writes the members of `http.request`, each with a comma behind it.
   *
   * @param isSecure whether it came over TLS
   */
  request(head: HeadRecord, isSecure: boolean, out: JSONWriter): HeadText {
    const { raw } = head
    const known = this.requests[raw.length & (slots - 1)]
    if (known !== undefined && known.raw === raw && known.isSecure === isSecure) return again(known, out)
    const start = out.at
    const { all } = out
    out.all = 0
    const text = this.writeRequest(head, isSecure, out)
    return this.learn(this.requests, text, start, all, out)
  }

  /** Writes the members of `http.response` likewise. */
  response(head: HeadRecord, out: JSONWriter): HeadText {
    const { raw } = head
    const known = this.responses[raw.length & (slots - 1)]
    if (known !== undefined && known.raw === raw) return again(known, out)
    const start = out.at
    const { all } = out
    out.all = 0
    this.writeCommon(head, out)
    const text = this.textOf(raw, false, '', null)
    return this.learn(this.responses, text, start, all, out)
  }

  /** @param all of what was written before */
  private learn(
    known: (HeadText | undefined)[],
    text: HeadText,
    start: number,
    all: number,
    out: JSONWriter,
  ): HeadText {
    const { raw } = text
    if (raw !== '' && raw.length <= maxLength && this.misses++ % learnEvery === 0) {
      const members = Buffer.from(out.buffer.subarray(start, out.at))
      const more = Buffer.from(text.more).toString()
      known[raw.length & (slots - 1)] = { ...text, members, more, isASCII: out.all < 0x80 }
    }
    out.all |= all
    return text
  }

  private writeRequest(head: HeadRecord, isSecure: boolean, out: JSONWriter): HeadText {
    const { fields } = this
    const target = targetOf(head)
    if (target.method !== '') out.json(`"method":"${textToJSON(target.method)}",`)
    this.writeCommon(head, out)
    const { requestId, referrer, userAgent, traceparent } = fields
    if (requestId !== '') out.json(`"id":"${textToJSON(requestId)}",`)
    if (referrer !== '') out.json(`"referrer":"${textToJSON(referrer)}",`)
    let more =
      target.target === '' ? '' : `,"url":{${urlJSON(target, fields.host, isSecure, this.redaction)}}`
    if (userAgent !== '') more += `,"user_agent":{"original":"${textToJSON(userAgent)}"}`
    const trace = traceparent === '' ? null : traceparentOf.exec(traceparent)
    return this.textOf(head.raw, isSecure, more, trace)
  }

  /** What both have. */
  private writeCommon(head: HeadRecord, out: JSONWriter): void {
    const { at } = out
    out.json('"headers":{')
    const hasFields = this.fields.write(head, out)
    // They are read in any case, since other members are made of them.
    if (hasFields && this.withFields) out.json('},')
    else out.at = at
    const { contentType } = this.fields
    const type = contentType === '' || this.hidesType ? '' : mediaTypeOf(contentType).name
    if (type !== '') out.json(`"mime_type":"${textToJSON(type)}",`)
  }

  private textOf(raw: string, isSecure: boolean, more: string, trace: RegExpExecArray | null): HeadText {
    const { contentType, contentEncoding } = this.fields
    return {
      raw,
      isSecure,
      members: null,
      isASCII: true,
      more,
      contentType,
      contentEncoding,
      traceId: trace?.[1],
      spanId: trace?.[2],
    }
  }
}

function again(known: HeadText, out: JSONWriter): HeadText {
  out.bytes(known.members as Buffer, known.isASCII ? 0 : 0x80)
  return known
}
