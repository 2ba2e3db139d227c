// Hot path: see section.ts, of which this is the first line.

import type { Buffer } from 'node:buffer'
import {
  CR,
  equalsText,
  isAuthority,
  LF,
  latin1,
  SPACE,
  targetBytes,
  tokenBytes,
  valueBytes,
} from './bytes.ts'
import type { SectionReader } from './section.ts'
import { type Violation, violations } from './violations.ts'

/** What a scan returns instead of an index. */
export const wantsMore = -1
export const isBroken = -2

const inFirst = 0
const inSecond = 1
const inThird = 2
const inReason = 3
const inReasonEnd = 4

const methods = ['POST', 'PUT', 'HEAD', 'DELETE', 'OPTIONS', 'PATCH', 'CONNECT', 'TRACE']

/** The method as a string that is made once for the usual ones. */
function methodOf(buffer: Buffer, start: number, end: number): string {
  const length = end - start
  if (length === 3 && buffer[start] === 0x47 && equalsText(buffer, start, 'GET')) return 'GET'
  for (let i = 0; i < methods.length; i++) {
    const method = methods[i] as string
    if (method.length === length && equalsText(buffer, start, method)) return method
  }
  return latin1(buffer, start, end)
}

/** `method SP request-target SP HTTP-version CRLF`, RFC 9112 §3, without the liberties that §3 allows in parsing. */
export function scanRequestLine(
  section: SectionReader,
  buffer: Buffer,
  base: number,
  from: number,
  stop: number,
): number {
  const bound = base + section.limits.maxLineBytes
  const end = Math.min(stop, bound)
  const reached = requestLine(section, buffer, base, from, end)
  return reached === wantsMore && end === bound ? section.fail(violations.lineTooLong) : reached
}

function requestLine(
  section: SectionReader,
  buffer: Buffer,
  base: number,
  from: number,
  end: number,
): number {
  let at = from
  if (section.phase === inFirst) {
    while (at < end && tokenBytes[buffer[at] as number] === 1) at++
    if (at === end) return pause(section, inFirst, at - base)
    if (buffer[at] !== SPACE || at === base)
      return section.fail(ofByte(buffer[at] as number, violations.badMethod))
    section.firstEnd = at - base
    section.phase = inSecond
    at++
  }
  if (section.phase === inSecond) {
    while (at < end && targetBytes[buffer[at] as number] === 1) at++
    if (at === end) return pause(section, inSecond, at - base)
    const isEmpty = at - base === section.firstEnd + 1
    if (buffer[at] !== SPACE || isEmpty)
      return section.fail(
        ofByte(buffer[at] as number, isEmpty ? violations.badRequestLine : violations.badTarget),
      )
    section.secondEnd = at - base
    section.phase = inThird
    at++
  }
  const version = base + section.secondEnd + 1
  if (
    at !== version ||
    end - at < 10 ||
    buffer[at + 7] !== 0x31 ||
    buffer[at + 8] !== CR ||
    buffer[at + 9] !== LF ||
    !equalsText(buffer, at, 'HTTP/1.')
  ) {
    for (; at < version + 10; at++) {
      if (at === end) return pause(section, inThird, at - base)
      const violation = versionFault(section, at - version, buffer[at] as number)
      if (violation !== undefined) return section.fail(violation)
    }
    if (section.httpMajor !== 1 || section.httpMinor > 1) return section.fail(violations.unsupportedVersion)
  } else {
    section.httpMajor = 1
    section.httpMinor = 1
  }
  section.method = methodOf(buffer, base, base + section.firstEnd)
  section.lineEnd = version + 10 - base
  const first = base + section.firstEnd + 1
  if (buffer[first] !== 0x2f /* / */ || section.method === 'CONNECT') {
    if (!isSpecialTarget(buffer, first, base + section.secondEnd, section.method))
      return section.fail(violations.badTarget)
  }
  return version + 10
}

function pause(section: SectionReader, phase: number, cursor: number): number {
  section.phase = phase
  section.cursor = cursor
  return wantsMore
}

const ofByte = (byte: number, otherwise: Violation): Violation =>
  byte === LF ? violations.bareLF : byte === CR ? violations.badRequestLine : otherwise

const versionName = [0x48, 0x54, 0x54, 0x50, 0x2f]

/** What is wrong with byte `index` of `HTTP/1.1 CRLF`. */
function versionFault(section: SectionReader, index: number, byte: number): Violation | undefined {
  const digit = byte - 0x30
  switch (index) {
    case 5:
    case 7:
      if (digit < 0 || digit > 9) return violations.badVersion
      if (index === 5) section.httpMajor = digit
      else section.httpMinor = digit
      return undefined
    case 6:
      return byte === 0x2e ? undefined : violations.badVersion
    case 8:
      if (byte === CR) return undefined
      return byte === LF ? violations.bareLF : violations.badVersion
    case 9:
      return byte === LF ? undefined : violations.bareCR
    default:
      if (byte === versionName[index]) return undefined
      // A second word that is followed by a third: white space inside the target.
      return index === 0 && byte !== 0x48 && byte !== 0x68 ? violations.badRequestLine : violations.badVersion
  }
}

/** authority-form with CONNECT, asterisk-form with OPTIONS, absolute-form otherwise: RFC 9112 §3.2. */
function isSpecialTarget(buffer: Buffer, start: number, end: number, method: string): boolean {
  if (method === 'CONNECT') return isAuthority(buffer, start, end, true)
  if (end - start === 1 && buffer[start] === 0x2a /* * */) return method === 'OPTIONS'
  const authority = start + (isScheme(buffer, start, end, 'http://') ? 7 : 8)
  if (authority === start + 8 && !isScheme(buffer, start, end, 'https://')) return false
  let authorityEnd = authority
  while (authorityEnd < end && buffer[authorityEnd] !== 0x2f && buffer[authorityEnd] !== 0x3f) authorityEnd++
  return isAuthority(buffer, authority, authorityEnd, false)
}

function isScheme(buffer: Buffer, start: number, end: number, scheme: string): boolean {
  if (end - start < scheme.length) return false
  for (let i = 0; i < scheme.length; i++) {
    const byte = buffer[start + i] as number
    if ((byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte) !== scheme.charCodeAt(i)) return false
  }
  return true
}

/**
 * `HTTP-version SP status-code SP [reason-phrase] CRLF`, RFC 9112 §4. Tolerated, and repaired when forwarded: no
 * space when there is no reason, and a bare LF as the line end (§2.2).
 */
export function scanStatusLine(
  section: SectionReader,
  buffer: Buffer,
  base: number,
  from: number,
  stop: number,
): number {
  let at = from
  if (section.phase === inFirst) {
    if (at === base && stop - at >= 12 && isUsualStatus(section, buffer, at)) {
      at += 12
    } else {
      // "HTTP/1.1 200" is 12 bytes, each of which has one place.
      for (; at < base + 12; at++) {
        if (at === stop) return pause(section, inFirst, at - base)
        if (!isStatusByte(section, at - base, buffer[at] as number))
          return section.fail(violations.badStatusLine)
      }
    }
    if (section.httpMajor !== 1 || section.httpMinor > 1) return section.fail(violations.unsupportedVersion)
    if (section.status < 100) return section.fail(violations.badStatusLine)
    section.phase = inSecond
  }
  if (section.phase === inSecond) {
    if (at === stop) return pause(section, inSecond, at - base)
    if (buffer[at] === SPACE) at++
    else if (buffer[at] !== CR && buffer[at] !== LF) return section.fail(violations.badStatusLine)
    else section.needsRepair = true
    section.secondEnd = at - base
    section.phase = inReason
  }
  if (section.phase === inReason) {
    while (at < stop && valueBytes[buffer[at] as number] === 1) at++
    if (at === stop) return pause(section, inReason, at - base)
    if (buffer[at] === LF) {
      section.needsRepair = true
      section.lineEnd = at + 1 - base
      return at + 1
    }
    if (buffer[at] !== CR) return section.fail(violations.badStatusLine)
    section.phase = inReasonEnd
    at++
  }
  if (at === stop) return pause(section, inReasonEnd, at - base)
  if (buffer[at] !== LF) return section.fail(violations.bareCR)
  section.lineEnd = at + 1 - base
  return at + 1
}

/** Takes `HTTP/1.1` and a status at once, when they are there. */
function isUsualStatus(section: SectionReader, buffer: Buffer, at: number): boolean {
  const hundreds = (buffer[at + 9] as number) - 0x30
  const tens = (buffer[at + 10] as number) - 0x30
  const ones = (buffer[at + 11] as number) - 0x30
  if (hundreds < 0 || hundreds > 9 || tens < 0 || tens > 9 || ones < 0 || ones > 9) return false
  if (!equalsText(buffer, at, 'HTTP/1.1 ')) return false
  section.httpMajor = 1
  section.httpMinor = 1
  section.status = hundreds * 100 + tens * 10 + ones
  return true
}

function isStatusByte(section: SectionReader, index: number, byte: number): boolean {
  if (index < 8) {
    if (index === 0) section.status = 0
    return versionFault(section, index, byte) === undefined
  }
  if (index === 8) return byte === SPACE
  const digit = byte - 0x30
  section.status = section.status * 10 + digit
  return digit >= 0 && digit <= 9
}
