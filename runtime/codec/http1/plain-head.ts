// Hot path: `plainLines` and `parsePlainHead` run once per message that goes to another thread or node, and comes from there.

import { isSpace, trimmed } from '../../optional-space.ts'
import { tokenBytes } from './bytes.ts'
import { addField, Headers, lowerNameOf } from './fields.ts'
import { RequestHead, type ResponseHead } from './head.ts'

/** A head as plain data: what `toJSON` of the decoded one gives. */
export interface PlainHead {
  protocol: string
  method?: string
  path?: string
  status?: number
  statusText?: string
  headers: Record<string, string | string[] | undefined>
}

/**
 * A head as lines of which `parsePlainHead` makes the very same as `toJSON` gives, also of one that was changed; undefined when no
 * lines do: a name is not in lower case, a value is a number. Lines cost a third of what it takes to pack the fields one by one
 * (bench/micro/cluster-fork.ts, 2026-11).
 */
export function plainLines(head: RequestHead | ResponseHead): string | undefined {
  const line = head instanceof RequestHead ? requestLine(head) : responseLine(head)
  if (line === undefined) return undefined
  const { headers, parsed, upgrade } = head
  if (!isPlain(headers)) return undefined
  const known = knownFields(headers, parsed)
  // All that was parsed is there still: then it stands in the lines that came.
  const isWhole = known > 0 && known === parsed?.length && upgrade === undefined
  let text = isWhole ? line + head.raw.slice(head.lineEnd) : line
  let at = 0
  for (const name in headers) {
    const isKnown = at < known
    at += 2
    if (isKnown && isWhole) continue
    const value = headers[name]
    if (isKnown) text += `${name}: ${value as string}\r\n`
    else {
      const lines = fieldLines(name, value)
      if (lines === undefined) return undefined
      text += lines
    }
  }
  return text
}

/** How many of the names and values that were parsed are the first of these fields, unchanged. */
function knownFields(headers: Headers, parsed: readonly (string | undefined)[] | undefined): number {
  if (parsed === undefined) return 0
  let at = 0
  for (const name in headers) {
    if (parsed[at] !== name || parsed[at + 1] !== headers[name]) break
    at += 2
  }
  return at
}

function requestLine({ method, path, protocol }: RequestHead): string | undefined {
  if (!isToken(method) || !isLine(path) || !isLine(protocol) || protocol.length !== 8) return undefined
  return `${method} ${path} ${protocol}\r\n`
}

function responseLine({ protocol, status, statusText }: ResponseHead): string | undefined {
  if (!isLine(protocol) || protocol.length !== 8 || !protocol.startsWith('HTTP/')) return undefined
  if (!Number.isInteger(status) || status < 100 || status > 999 || !isLine(statusText)) return undefined
  return `${protocol} ${status} ${statusText}\r\n`
}

/** Repeated lines are joined where they are read, but for those of one name. */
function fieldLines(name: string, value: unknown): string | undefined {
  if (!isToken(name) || name === '__proto__' || lowerNameOf(name) !== name) return undefined
  if (isValue(value)) return `${name}: ${value}\r\n`
  if (name !== 'set-cookie' || !Array.isArray(value) || value.length < 2) return undefined
  let text = ''
  for (const each of value) {
    if (!isValue(each)) return undefined
    text += `${name}: ${each}\r\n`
  }
  return text
}

/** Scripts set what they like, whatever the types say. */
function isPlain(headers: unknown): boolean {
  if (typeof headers !== 'object' || headers === null) return false
  const prototype: unknown = Object.getPrototypeOf(headers)
  return prototype === Headers.prototype || prototype === Object.prototype || prototype === null
}

function isToken(text: unknown): text is string {
  if (typeof text !== 'string' || text === '') return false
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code > 0x7e || tokenBytes[code] === 0) return false
  }
  return true
}

const isLine = (text: unknown): text is string => typeof text === 'string' && !text.includes('\r')

/** White space around it is not part of a value. */
const isValue = (value: unknown): value is string =>
  isLine(value) && !isSpace(value.charCodeAt(0)) && !isSpace(value.charCodeAt(value.length - 1))

/**
 * Reads the lines of a head again, as `DecodedHead.lines` gives them: they have been checked when they were received. A
 * response begins with its version, which no method can be. Gives undefined for what are no such lines.
 */
export function parsePlainHead(lines: string): PlainHead | undefined {
  const lineEnd = lines.indexOf('\r\n')
  if (lineEnd < 0) return undefined
  const headers = parsePlainFields(lines, lineEnd + 2)
  if (headers === undefined) return undefined
  if (lines.startsWith('HTTP/')) {
    const [protocol, status, statusText] = [lines.slice(0, 8), lines.slice(9, 12), lines.slice(13, lineEnd)]
    return { protocol, status: Number(status), statusText, headers }
  }
  const methodEnd = lines.indexOf(' ')
  const pathEnd = lineEnd - 9
  if (methodEnd < 0 || pathEnd <= methodEnd) return undefined
  return {
    protocol: lines.slice(pathEnd + 1, lineEnd),
    method: lines.slice(0, methodEnd),
    path: lines.slice(methodEnd + 1, pathEnd),
    headers,
  }
}

function parsePlainFields(lines: string, from: number): PlainHead['headers'] | undefined {
  const headers: PlainHead['headers'] = {}
  for (let at = from; at < lines.length; ) {
    const colon = lines.indexOf(':', at)
    const end = lines.indexOf('\r\n', at)
    // They come from another process: whatever they are, reading them comes to an end.
    if (colon < 0 || end < colon) return undefined
    const name = lowerNameOf(lines.slice(at, colon))
    at = end + 2
    // As everywhere between threads, a field that would change the prototype is left out.
    if (name === '' || name === '__proto__') continue
    const value = trimmed(lines, colon + 1, end)
    const present = headers[name] as unknown
    // A plain object has inherited functions, like `constructor`.
    if (present === undefined || typeof present === 'function') headers[name] = value
    else addField(headers, name, value)
  }
  return headers
}
