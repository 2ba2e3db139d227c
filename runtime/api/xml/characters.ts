import type { Buffer } from 'node:buffer'
import type { Data } from '../../data.ts'

/**
 * The text of a document, whose first bytes tell its encoding (XML 1.0 appendix F): a byte order mark, UTF-16 by its
 * zeros, or the name in the declaration; UTF-8 without one. Undefined when the bytes are not of that encoding.
 */
export function decodeText(data: Data): string | undefined {
  try {
    return new TextDecoder(encodingOf(data.bytes()), { fatal: true }).decode(data.bytes())
  } catch {
    // An encoding that is unknown, or bytes that are none of it.
    return undefined
  }
}

function encodingOf(bytes: Buffer): string {
  const first = bytes.subarray(0, 2).toString('hex')
  if (first === 'feff' || first === '003c') return 'utf-16be'
  if (first === 'fffe' || first === '3c00') return 'utf-16le'
  const start = bytes.subarray(0, 200).toString('latin1')
  return /^<\?xml\s[^>]*?encoding\s*=\s*["']([\w.-]+)["']/.exec(start)?.[1] ?? 'utf-8'
}
