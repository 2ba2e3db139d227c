/** Bounds of what a decoder accepts: its memory is a small multiple of them. */
export interface RESPLimits {
  /** Bytes of a message, framing included. */
  readonly maxMessageBytes: number
  /** Values in a message, at any depth. */
  readonly maxElements: number
  /** Depth of aggregates in one another; 1 is an array of plain values. */
  readonly maxDepth: number
  /** Bytes of a line: simple strings, errors, numbers, lengths. */
  readonly maxLineBytes: number
}

export const defaultLimits: RESPLimits = {
  // A value is held whole as the payload of its message. Redis takes up to 512 MB, which would let a few clients fill
  // a thread's heap; real values are far below a megabyte.
  maxMessageBytes: 64 * 1024 * 1024,
  // What Redis itself allows in one command.
  maxElements: 1024 * 1024,
  // Deeper than any reply of Redis (COMMAND DOCS has 9) and shallow enough for whoever walks over it.
  maxDepth: 32,
  // What Redis allows in an inline line.
  maxLineBytes: 64 * 1024,
}
