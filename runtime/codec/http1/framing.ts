/**
 * How a body is delimited, as one number so that the hot path passes it around without allocating: a length in bytes
 * (0 and up), or one of the values below. RFC 9112 §6.
 */
export type Framing = number

export const Framing = {
  /** No body follows. In a response the head may still say what a GET would have carried (HEAD, 304). */
  none: -1,
  chunked: -2,
  /** The body ends where the connection does: responses only. */
  untilClose: -3,
  /** A filter changes the body: what the head says of its length no longer holds. */
  unknown: -4,
} as const
