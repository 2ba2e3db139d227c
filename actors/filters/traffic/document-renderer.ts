import type { Buffer } from 'node:buffer'
import type { SinkEntry } from '../../sink.ts'
import { methodOf } from '../compression/methods.ts'
import { type BodyContent, type BodySettings, base64, bodyContent, omit } from './body-content.ts'
import { decompress } from './decompressed.ts'
import { type Contents, type DocumentSettings, DocumentWriter } from './document.ts'
import type { ExchangeRecord, MessageRecord } from './exchange-record.ts'
import { mediaTypeOf } from './media-type.ts'
import { Redaction } from './redaction.ts'

/** What documents of one place in the script have in common: plain data, which can be sent to another thread. */
export interface DocumentForm {
  readonly document: DocumentSettings
  readonly redact: readonly (string | RegExp)[]
  readonly reveal: readonly string[]
  /** Null when nothing is recorded of bodies. */
  readonly bodies: BodySettings | null
  /** The thread whose traffic it is. */
  readonly thread: number
}

/** Makes documents of records: the same ones wherever that is done. */
export class DocumentRenderer implements Contents {
  private readonly redaction: Redaction
  private readonly writer: DocumentWriter
  private readonly bodies: BodySettings | null

  constructor({ document, redact, reveal, bodies, thread }: DocumentForm) {
    this.redaction = new Redaction(redact, reveal)
    this.writer = new DocumentWriter(document, this.redaction, thread)
    this.bodies = bodies
  }

  render(record: ExchangeRecord, contents: Contents = this): SinkEntry {
    const { json, traceId, spanId } = this.writer.write(record, contents)
    const { id, startMs, place } = record
    return { id, timeMs: startMs, json, traceId, spanId, trace: place }
  }

  /** Whether what was captured of a body must be decompressed before it can be written. */
  mustUnpack({ request, response }: ExchangeRecord): boolean {
    return isPacked(request) || (response !== null && isPacked(response))
  }

  /** The contents of bodies that are compressed, for `render`. Never rejects. */
  async unpack({ request, response }: ExchangeRecord): Promise<Contents> {
    const [asked, answered] = await Promise.all([
      this.contentOf(request),
      response === null ? null : this.contentOf(response),
    ])
    return {
      of: (message, encoding) => (message === request ? asked : answered) ?? this.of(message, encoding),
    }
  }

  of({ body, bytes, contentType }: MessageRecord, encoding: string): BodyContent | null {
    const { bodies } = this
    if (bodies === null || bytes === 0 || contentType === null) return null
    if (body === null) return omit('type')
    const { buffer, length, isCut } = body
    if (encoding === '' || encoding === 'identity')
      return this.read(buffer, length, isCut, contentType, bodies)
    if (bodies.binary === 'omit') return omit('encoding')
    return this.redaction.concernsJSON ? omit('redaction') : base64(buffer, length, isCut)
  }

  private read(
    bytes: Buffer,
    length: number,
    isCut: boolean,
    contentType: string,
    bodies: BodySettings,
  ): BodyContent {
    return bodyContent(bytes, length, isCut, mediaTypeOf(contentType), this.redaction, bodies)
  }

  /** Null for a body that is not compressed. */
  private async contentOf({ body, contentType, packing }: MessageRecord): Promise<BodyContent | null> {
    const { bodies } = this
    const method = methodOf(packing)
    if (body === null || contentType === null || bodies === null || method === undefined) return null
    const packed = body.buffer.subarray(0, body.length)
    const { bytes, isCut } = await decompress(packed, method, bodies.limit)
    return this.read(bytes, bytes.length, isCut || body.isCut, contentType, bodies)
  }
}

const isPacked = ({ packing }: MessageRecord): boolean => packing !== '' && methodOf(packing) !== undefined
