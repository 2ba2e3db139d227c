// Hot path: two heads of each logged exchange pass here, character by character. Nothing is cut out that is only copied.

import { Buffer } from 'node:buffer'
import { lowerNameOf, parseFields } from '../../../runtime/codec/http1/fields.ts'
import type { HeadRecord } from './exchange-record.ts'
import type { Fields } from './head-snapshot.ts'
import { type JSONWriter, textToJSON } from './json-writer.ts'
import { redactURL } from './redact-form.ts'
import { type Redaction, redacted } from './redaction.ts'

/** Fields that a document has a place of its own for. */
const slots = [
  'host',
  'user-agent',
  'content-type',
  'content-encoding',
  'referer',
  'traceparent',
  'x-request-id',
] as const
/** Those that are known even when they are hidden. */
const bodySlots: readonly number[] = [slots.indexOf('content-type'), slots.indexOf('content-encoding')]
/** Those that proxies note the target of a request in are among them. */
const urlFields: ReadonlySet<string> = new Set([
  'referer',
  'location',
  'content-location',
  'link',
  'refresh',
  'x-forwarded-uri',
  'x-original-uri',
  'x-original-url',
  'x-rewrite-url',
])

const lowerCase = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte,
)

/** The head being gone through, as bytes. */
let lines = Buffer.allocUnsafeSlow(4096)

/** What is known of a field by its lower-case name. */
interface FieldKind {
  /** '' for fields of framing and connection, which are left out. */
  readonly name: string
  /** The name as it is looked for. */
  readonly bytes: Buffer
  readonly slot: number
  readonly isHidden: boolean
  readonly isURL: boolean
  /** Number of the head that it was last seen in. */
  head: number
}

/** Names that are remembered; it is a bound because clients may invent some. */
const mostKinds = 1024

/** Writes the fields of heads as the members of an object. What it found is there until it writes the next. */
export class HeadFields {
  host = ''
  userAgent = ''
  /** These two also when they are hidden: how a body is to be read, and what is to be hidden in it, follows from them. */
  contentType = ''
  contentEncoding = ''
  referrer = ''
  traceparent = ''
  requestId = ''
  private readonly redaction: Redaction
  private readonly kinds = new Map<number, FieldKind>()
  private readonly values: string[] = slots.map(() => '')
  private heads = 0

  constructor(redaction: Redaction) {
    this.redaction = redaction
  }

  /** Writes `"name":"value",…` without braces; hidden values are hidden. False when there are no fields. */
  write({ raw, made, lineEnd }: HeadRecord, out: JSONWriter): boolean {
    const { values } = this
    for (let i = 0; i < slots.length; i++) values[i] = ''
    const { at } = out
    if (made !== null) this.writeObject(made.headers, out)
    else if (!this.writeLines(raw, lineEnd, out)) {
      out.at = at
      this.writeObject(parseFields(raw, lineEnd, []) as Fields, out)
    }
    this.host = values[0] as string
    this.userAgent = values[1] as string
    this.contentType = values[2] as string
    this.contentEncoding = values[3] as string
    this.referrer = values[4] as string
    this.traceparent = values[5] as string
    this.requestId = values[6] as string
    return out.at > at
  }

  /** False when a field comes twice (the members of an object must not), or cannot be told from others: then it is parsed. */
  private writeLines(raw: string, lineEnd: number, out: JSONWriter): boolean {
    const { length } = raw
    const number = ++this.heads
    const first = out.at
    if (length > lines.length) lines = Buffer.allocUnsafeSlow(2 * length)
    const source = lines
    // As bytes they are gone through three times as fast as as characters.
    source.write(raw, 0, 'latin1')
    let at = lineEnd
    while (at < length) {
      const before = out.at
      out.claim(length - at + 16)
      const { buffer } = out
      let end = before
      if (before > first) buffer[end++] = 0x2c
      buffer[end++] = 0x22
      const name = end
      let hash = 0
      for (let byte = source[at] as number; byte !== 0x3a && at < length; byte = source[++at] as number) {
        const lower = lowerCase[byte] as number
        buffer[end++] = lower
        hash = (Math.imul(hash, 31) + lower) | 0
      }
      const kind = this.kindOf(buffer, name, end, hash)
      if (kind === undefined || kind.head === number) return false
      kind.head = number
      let stop = at
      while (source[stop] !== 0x0d && stop < length) stop++
      if (kind.name !== '') {
        buffer[end] = 0x22
        buffer[end + 1] = 0x3a
        buffer[end + 2] = 0x22
        out.at = end + 3
        this.writeValue(kind, raw, at + 1, stop, out)
        out.claim(1)
        out.buffer[out.at++] = 0x22
      }
      at = stop + 2
    }
    return true
  }

  private writeValue(kind: FieldKind, raw: string, from: number, to: number, out: JSONWriter): void {
    let start = from
    let end = to
    while (start < end && isSpace(lines[start])) start++
    while (end > start && isSpace(lines[end - 1])) end--
    if (kind.isHidden) {
      if (bodySlots.includes(kind.slot)) this.values[kind.slot] = raw.slice(start, end)
      out.json(redacted)
    } else if (kind.isURL) {
      const url = redactURL(raw.slice(start, end), this.redaction)
      if (kind.slot >= 0) this.values[kind.slot] = url
      out.json(textToJSON(url))
    } else {
      if (kind.slot >= 0) this.values[kind.slot] = raw.slice(start, end)
      out.latin1(lines, start, end)
    }
  }

  private writeObject(fields: Fields | undefined, out: JSONWriter): void {
    const names = new Set<string>([''])
    let json = ''
    for (const spelling in fields) {
      const name = lowerNameOf(spelling)
      const value = fields[spelling]
      if (names.has(name) || value === undefined || value === null) continue
      names.add(name)
      const text = Array.isArray(value) ? value.join(', ') : String(value)
      const { slot, isHidden, isURL } = this.make(name)
      const shown = isHidden ? redacted : isURL ? redactURL(text, this.redaction) : text
      if (slot >= 0 && (!isHidden || bodySlots.includes(slot))) this.values[slot] = isHidden ? text : shown
      json += `${json === '' ? '' : ','}${JSON.stringify(name)}:"${textToJSON(shown)}"`
    }
    out.json(json)
  }

  /** Undefined when there are too many names to remember, or two have one hash. */
  private kindOf(buffer: Buffer, start: number, end: number, hash: number): FieldKind | undefined {
    const known = this.kinds.get(hash)
    if (known === undefined) {
      if (this.kinds.size >= mostKinds) return undefined
      const kind = this.make(buffer.toString('latin1', start, end))
      this.kinds.set(hash, kind)
      return kind
    }
    const { bytes } = known
    if (bytes.length !== end - start) return undefined
    for (let i = 0; i < bytes.length; i++) if (bytes[i] !== buffer[start + i]) return undefined
    return known
  }

  private make(lower: string): FieldKind {
    const name = lowerNameOf(lower)
    return {
      name,
      bytes: Buffer.from(lower, 'latin1'),
      slot: slots.indexOf(name as 'host'),
      isHidden: this.redaction.hidesField(name),
      isURL: urlFields.has(name),
      head: 0,
    }
  }
}

const isSpace = (byte: number | undefined): boolean => byte === 0x20 || byte === 0x09
