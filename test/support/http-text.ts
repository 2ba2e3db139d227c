/** HTTP messages as text of one character per byte: read apart by rules of its own, not by the codec under test. */

export interface HTTPText {
  readonly startLine: string
  /** Names as written. */
  readonly fields: readonly (readonly [name: string, value: string])[]
  readonly body: string
  readonly trailers: readonly (readonly [name: string, value: string])[]
  /** Characters that it took. */
  readonly length: number
  /** Whether it was sent in chunks. */
  readonly isChunked: boolean
}

/** The value of a field, or of all of its lines. */
export function fieldOf(message: HTTPText, name: string): string | undefined {
  const values = message.fields.filter(([each]) => each.toLowerCase() === name).map(([, value]) => value)
  return values.length === 0 ? undefined : values.join(' | ')
}

export const statusOf = (message: HTTPText): number => Number(message.startLine.split(' ')[1])

const parseLines = (text: string): (readonly [string, string])[] =>
  text
    .split('\r\n')
    .filter(line => line !== '')
    .map(line => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon), line.slice(colon + 1).trim()] as const
    })

/** How the reader of a message knows what it cannot see in it. */
export interface Reading {
  /** The method that a response answers; undefined when it is a request that is read. */
  readonly answers?: string | undefined
  /** No more bytes will come. */
  readonly isEnded: boolean
}

/** The message at the front of a text; undefined as long as it is not complete. */
export function readMessage(text: string, reading: Reading): HTTPText | undefined {
  const headEnd = text.indexOf('\r\n\r\n')
  if (headEnd < 0) return undefined
  const [startLine = '', ...lines] = text.slice(0, headEnd).split('\r\n')
  const head = { startLine, fields: parseLines(lines.join('\r\n')), trailers: [], isChunked: false }
  const bodyStart = headEnd + 4
  const whole = (body: string): HTTPText => ({ ...head, body, length: bodyStart + body.length })
  const { answers, isEnded } = reading
  const length = fieldOf(whole(''), 'content-length')
  if (answers !== undefined) {
    const status = statusOf(whole(''))
    const isTunnel = answers === 'CONNECT' && status < 300
    if (answers === 'HEAD' || status < 200 || status === 204 || status === 304 || isTunnel) return whole('')
  }
  if (fieldOf(whole(''), 'transfer-encoding') !== undefined) {
    const chunks = readChunks(text, bodyStart)
    return chunks === undefined ? undefined : { ...head, ...chunks, isChunked: true }
  }
  if (length !== undefined || answers === undefined) {
    const bodyEnd = bodyStart + Number(length ?? 0)
    return text.length < bodyEnd ? undefined : whole(text.slice(bodyStart, bodyEnd))
  }
  return isEnded ? whole(text.slice(bodyStart)) : undefined
}

function readChunks(text: string, start: number): Pick<HTTPText, 'body' | 'trailers' | 'length'> | undefined {
  let body = ''
  for (let at = start; ; ) {
    const lineEnd = text.indexOf('\r\n', at)
    if (lineEnd < 0) return undefined
    const size = Number.parseInt(text.slice(at, lineEnd), 16)
    if (!(size >= 0)) throw new Error(`no chunk size: ${JSON.stringify(text.slice(at, lineEnd))}`)
    at = lineEnd + 2
    if (size === 0) {
      const end = text.startsWith('\r\n', at) ? at - 2 : text.indexOf('\r\n\r\n', at)
      if (end < 0) return undefined
      return { body, trailers: parseLines(text.slice(at, Math.max(at, end))), length: end + 4 }
    }
    if (text.length < at + size + 2) return undefined
    body += text.slice(at, at + size)
    if (!text.startsWith('\r\n', at + size)) throw new Error('a chunk is not followed by a line end')
    at += size + 2
  }
}
