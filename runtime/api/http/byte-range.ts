export interface ByteRange {
  readonly start: number
  /** Exclusive. */
  readonly end: number
}

/**
 * The range that a Range field asks for (RFC 9110 §14.1.2). Undefined: the field is to be ignored, which includes
 * several ranges, since a whole body is a valid answer to them; 'unsatisfiable': 416.
 */
export function parseRange(field: unknown, size: number): ByteRange | 'unsatisfiable' | undefined {
  if (typeof field !== 'string') return undefined
  const match = /^\s*bytes\s*=\s*(\d{0,15})\s*-\s*(\d{0,15})\s*$/i.exec(field)
  if (match === null) return undefined
  const [, first = '', last = ''] = match
  if (first === '' && last === '') return undefined
  if (first === '') {
    const length = Math.min(size, Number(last))
    return length === 0 ? 'unsatisfiable' : { start: size - length, end: size }
  }
  const start = Number(first)
  if (last !== '' && Number(last) < start) return undefined
  if (start >= size) return 'unsatisfiable'
  return { start, end: last === '' ? size : Math.min(size, Number(last) + 1) }
}
