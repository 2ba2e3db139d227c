// Hot path: `parsePlainHead` runs once per message that comes from another thread or node with a head that nobody has changed.

import { addField, lowerNameOf, trimmed } from './fields.ts'

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
