// Hot path of scripts that change heads: no closures per call; it throws only for what must not be sent.

import { Buffer } from 'node:buffer'
import { TrafficError } from '../../errors.ts'
import { tokenBytes } from './bytes.ts'
import { type HeaderFields, lowerNameOf } from './fields.ts'

const refuse = (what: string, text: string, why: string): TrafficError =>
  new TrafficError('RuntimeError', `${what} ${JSON.stringify(text.slice(0, 80))} ${why}`)

/** A method or field name, which must be a token (RFC 9110 §5.6.2): anything else could end the line and begin others. */
export function tokenText(what: string, text: string): string {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code > 0x7e || tokenBytes[code] === 0) throw refuse(what, text, 'is not a token')
  }
  if (text === '') throw refuse(what, text, 'is empty')
  return text
}

/** A field value or reason phrase: no control characters. What Latin-1 cannot say is sent as UTF-8. */
export function valueText(what: string, text: string): string {
  let isWide = false
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if ((code < 0x20 && code !== 0x09) || code === 0x7f)
      throw refuse(what, text, 'contains a control character')
    if (code > 0xff) isWide = true
  }
  return isWide ? Buffer.from(text, 'utf8').toString('latin1') : text
}

/** A request-target: visible ASCII without white space. Other characters are percent-encoded as UTF-8 (RFC 3986 §2.5). */
export function targetText(text: string): string {
  let isWide = false
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code <= 0x20 || code === 0x7f) throw refuse('Path', text, 'contains a space or control character')
    if (code === 0x23) throw refuse('Path', text, 'contains a fragment')
    if (code > 0x7f) isWide = true
  }
  if (text === '') return '/'
  return isWide ? encodeURI(text.toWellFormed()).replaceAll('%25', '%') : text
}

/**
 * Fields as lines, without those that encoders write themselves.
 *
 * @param parsed names and values that are known to be valid, as long as they come in this order.
 */
export function fieldLines(
  headers: HeaderFields,
  parsed: readonly (string | undefined)[] | undefined,
  isDropped: (lowerName: string) => boolean,
): string {
  let text = ''
  let at = 0
  for (const name in headers) {
    const value = headers[name]
    const isKnown = parsed !== undefined && parsed[at] === name
    at += 2
    if (value === undefined || value === null) continue
    const lower = lowerNameOf(name)
    if ((lower === '' && name !== '') || isDropped(lower)) continue
    if (isKnown && parsed[at - 1] === value) text += `${name}: ${value as string}\r\n`
    else text += fieldLine(isKnown ? name : tokenText('Field name', name), value)
  }
  return text
}

function fieldLine(name: string, value: unknown): string {
  if (!Array.isArray(value)) return `${name}: ${valueText(`Field ${name}`, String(value))}\r\n`
  let text = ''
  for (const item of value) if (item !== undefined && item !== null) text += fieldLine(name, item)
  return text
}
