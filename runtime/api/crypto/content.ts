import { Buffer } from 'node:buffer'
import { Data, type Encoding } from '../../data.ts'
import { TrafficError } from '../../errors.ts'
import { show } from '../../options.ts'

/** What the functions of `crypto` take: text, or bytes. */
export type Content = string | Data | Uint8Array

/** The bytes of a content; text is in `encoding`. They are only valid in this turn. */
export function bytesOf(content: Content, encoding: Encoding = 'utf8'): Uint8Array {
  if (typeof content === 'string') return Buffer.from(content, encoding)
  if (content instanceof Data) return content.bytes()
  if (content instanceof Uint8Array) return content
  throw new TrafficError('BadOption', `crypto wants text or Data, and got ${show(content)}`)
}

/** Text of a content that is text by nature, like PEM. */
export const textOf = (content: Content): string =>
  typeof content === 'string' ? content : Buffer.from(bytesOf(content)).toString()

/** Runs a function of OpenSSL; what it throws is put in words that name the operation. */
export function attempt<R>(operation: string, run: () => R): R {
  try {
    return run()
  } catch (error) {
    throw error instanceof TrafficError
      ? error
      : new TrafficError('BadOption', `${operation}: ${(error as Error).message}`, error)
  }
}
