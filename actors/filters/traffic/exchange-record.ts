import type { Buffer } from 'node:buffer'
import type { Upstream } from '../../pipeline.ts'
import type { BodyCapture } from './body-capture.ts'

/** A head as it is written about: its lines, or what a script made of it. */
export interface HeadRecord {
  /** The lines as received, characters of one byte; '' when there is `made`. */
  readonly raw: string
  /** Where in `raw` the first line ends, and its first two parts. */
  readonly lineEnd: number
  readonly firstEnd: number
  readonly secondEnd: number
  readonly isHTTP10: boolean
  readonly made: MadeHead | null
}

/** A head that a script made or changed. */
export interface MadeHead {
  readonly method: string
  readonly target: string
  /** Names as they are spelled. */
  readonly headers: Readonly<Record<string, string>>
}

export interface MessageRecord extends HeadRecord {
  /** Of the whole body. */
  readonly bytes: number
  /** Whether the document shows the body, or says why it does not. */
  readonly showsBody: boolean
  /** Its Content-Encoding, when that is to be undone before it is written; else ''. */
  readonly packing: string
  /** The beginning of the body; null when it is not recorded. */
  readonly body: Pick<BodyCapture, 'buffer' | 'length' | 'isCut'> | null
}

/**
 * All that a document is made of: an exchange that is over is one, and so is what another thread has read of what was
 * written down of it.
 */
export interface ExchangeRecord {
  readonly startMs: number
  readonly durationMs: number
  /** 0 when the client got none. */
  readonly status: number
  readonly error: string
  readonly reason: string
  readonly blame: string
  readonly upstream: Upstream | null
  /** Members about the connection, in ASCII; null when it came over none. */
  readonly ends: Buffer | null
  readonly isSecure: boolean
  /** Where in a trace it stands; '' when it is not traced. */
  readonly traceparent: string
  /** The same, when that is recorded. */
  readonly place: string | undefined
  /** What a script adds, a JSON object; '' for nothing. */
  readonly fields: string
  readonly request: MessageRecord
  readonly response: MessageRecord | null
}
