import type { Buffer } from 'node:buffer'
import { textToJSON } from './json-writer.ts'
import type { BodyKind, MediaType } from './media-type.ts'
import { redactForm } from './redact-form.ts'
import { redactJSON } from './redact-json.ts'
import { redactXML } from './redact-xml.ts'
import type { Redaction } from './redaction.ts'

export interface BodySettings {
  readonly limit: number
  readonly types: readonly string[]
  readonly request: boolean
  readonly response: boolean
  readonly decompress: boolean
  readonly binary: 'base64' | 'omit'
}

/** Why a body is not in its document although bodies are wanted. */
export type Omission = 'type' | 'encoding' | 'binary' | 'redaction'

/** What a document shows of a body: UTF-8 as it came, the inside of a JSON string, or why it is not there. */
export interface BodyContent {
  readonly bytes: Buffer | null
  /** Of `bytes`. */
  readonly length: number
  readonly json: string
  readonly omitted: Omission | undefined
  readonly isBase64: boolean
  /** Whether there is more of the body than is shown. */
  readonly isCut: boolean
}

const content = (
  bytes: Buffer | null,
  length: number,
  json: string,
  isCut: boolean,
  isBase64 = false,
  omitted?: Omission,
): BodyContent => ({ bytes, length, json, omitted, isBase64, isCut })

export const omit = (omitted: Omission): BodyContent => content(null, 0, '', false, false, omitted)
export const base64 = (bytes: Buffer, length: number, isCut: boolean): BodyContent =>
  content(null, 0, bytes.toString('base64', 0, length), isCut, true)

/** Whether bodies of this type are wanted. */
export const isWanted = (type: MediaType, types: readonly string[]): boolean =>
  types.includes('*') ||
  types.includes(type.kind) ||
  types.some(
    wanted => wanted === type.name || (wanted.endsWith('/*') && type.name.startsWith(wanted.slice(0, -1))),
  )

/**
 * The captured bytes of a body as its document shows them. What is to be hidden and cannot be found for sure, because
 * the body cannot be read, leaves the whole body out.
 *
 * @param isCut there was more of it
 */
export function bodyContent(
  bytes: Buffer,
  length: number,
  isCut: boolean,
  type: MediaType,
  redaction: Redaction,
  settings: BodySettings,
): BodyContent {
  if (type.kind === 'binary') return binary(bytes, length, isCut, type, redaction, settings)
  const end = isCut && type.charset === 'utf-8' ? wholeCharacters(bytes, length) : length
  const isUTF8 = type.charset === 'utf-8' || type.charset === 'us-ascii'
  if (isUTF8 && !mustRead(type.kind, redaction, bytes, end)) return content(bytes, end, '', isCut)
  const text = isUTF8 ? bytes.toString('utf8', 0, end) : decode(bytes.subarray(0, end), type.charset)
  if (text === undefined) return omit('encoding')
  const clean = redact(text, type.kind, redaction)
  if (clean === undefined) return omit('redaction')
  return isUTF8 && clean === text
    ? content(bytes, end, '', isCut)
    : content(null, 0, textToJSON(clean), isCut)
}

/** Bytes that are no text may have anything in them: with names to hide, only the types that a script names are shown. */
function binary(
  bytes: Buffer,
  length: number,
  isCut: boolean,
  type: MediaType,
  redaction: Redaction,
  settings: BodySettings,
): BodyContent {
  if (settings.binary === 'omit') return omit('binary')
  if (redaction.concernsJSON && type.name.startsWith('multipart/')) return omit('redaction')
  return base64(bytes, length, isCut)
}

function mustRead(kind: BodyKind, redaction: Redaction, bytes: Buffer, end: number): boolean {
  if (kind === 'json') return redaction.concernsJSON
  if (kind !== 'text') return redaction.hasNames
  return redaction.concernsJSON && likeJSON.test(bytes.toString('latin1', 0, Math.min(end, 256)))
}

/** Text that begins as JSON does: browsers send what `navigator.sendBeacon` is given as plain text. */
const likeJSON = /^\s*(?:\{|\[\s*[[{"])/

function redact(text: string, kind: BodyKind, redaction: Redaction): string | undefined {
  // UTF-16 that does not say so: servers find out, and nothing would be found in it here.
  if (kind !== 'text' && text.includes('\0') && redaction.concernsJSON) return undefined
  switch (kind) {
    case 'json':
      return redaction.mayHoldInJSON(text) ? redactJSON(text, redaction) : text
    case 'xml':
      return redactXML(text, redaction)
    case 'form':
      return redactForm(text, redaction)
    default:
      return likeJSON.test(text) && redaction.mayHoldInJSON(text) ? redactJSON(text, redaction) : text
  }
}

/** Where the last whole character of UTF-8 ends: a limit may cut one. */
function wholeCharacters(bytes: Buffer, length: number): number {
  let start = length - 1
  while (start > length - 4 && start > 0 && ((bytes[start] as number) & 0xc0) === 0x80) start--
  const first = bytes[start] ?? 0
  const size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 1
  return size > 1 && start + size > length ? start : length
}

function decode(bytes: Buffer, charset: string): string | undefined {
  if (charset === 'iso-8859-1' || charset === 'latin1') return bytes.toString('latin1')
  try {
    return new TextDecoder(charset).decode(bytes)
  } catch {
    return undefined
  }
}
