import type { SinkEntry } from '../../sink.ts'
import { methodOf } from '../compression/methods.ts'
import { type BodyContent, type BodySettings, base64, bodyContent, omit } from './body-content.ts'
import { decompress } from './decompressed.ts'
import { type Contents, type DocumentSettings, DocumentWriter } from './document.ts'
import type { ExchangeRecord, MessageRecord } from './exchange-record.ts'
import type { HeadText } from './head-text.ts'
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

type Captured = NonNullable<MessageRecord['body']>

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

  /** @param id of the document */
  render(record: ExchangeRecord, id: string, contents: Contents = this): SinkEntry {
    const { json, traceId, spanId } = this.writer.write(record, id, contents)
    const { startMs, place } = record
    return { id, timeMs: startMs, json, traceId, spanId, trace: place }
  }

  /** Whether what was captured of a body must be decompressed before it can be written. */
  mustUnpack({ request, response }: ExchangeRecord): boolean {
    return isPacked(request) || (response !== null && isPacked(response))
  }

  /** The contents of bodies that are compressed, for `render`. Never rejects. */
  async unpack({ request, response }: ExchangeRecord): Promise<Contents> {
    const [asked, answered] = await Promise.all([
      unpacked(request, this.bodies),
      unpacked(response, this.bodies),
    ])
    return {
      of: (message, head) => {
        const plain = message === request ? asked : answered
        return plain === null ? this.of(message, head) : this.read(plain, head.contentType)
      },
    }
  }

  of(
    { body, bytes, showsBody }: MessageRecord,
    { contentType, contentEncoding }: HeadText,
  ): BodyContent | null {
    const { bodies } = this
    if (bodies === null || bytes === 0 || !showsBody) return null
    if (body === null) return omit('type')
    const { buffer, length, isCut } = body
    if (contentEncoding === '' || contentEncoding === 'identity') return this.read(body, contentType)
    if (bodies.binary === 'omit') return omit('encoding')
    return this.redaction.concernsJSON ? omit('redaction') : base64(buffer, length, isCut)
  }

  private read({ buffer, length, isCut }: Captured, contentType: string): BodyContent {
    const { bodies, redaction } = this
    return bodyContent(buffer, length, isCut, mediaTypeOf(contentType), redaction, bodies as BodySettings)
  }
}

/** What a body was before it was compressed; null for one that was not. */
async function unpacked(
  message: MessageRecord | null,
  bodies: BodySettings | null,
): Promise<Captured | null> {
  if (message === null || message.body === null || bodies === null) return null
  const method = methodOf(message.packing)
  if (method === undefined) return null
  const { buffer, length, isCut } = message.body
  const plain = await decompress(buffer.subarray(0, length), method, bodies.limit)
  return { buffer: plain.bytes, length: plain.bytes.length, isCut: isCut || plain.isCut }
}

const isPacked = ({ packing }: MessageRecord): boolean => packing !== '' && methodOf(packing) !== undefined
