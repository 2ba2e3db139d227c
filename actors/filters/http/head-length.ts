/** A body of which nothing is known before its end: the value that `framing` of a head has after `forgetLength`. */
export const unknownFraming = -4

/** A filter is going to change the body that follows this head: what the head says of its length no longer holds. */
export function forgetLength(head: object): void {
  const framed = head as { framing?: unknown }
  if (typeof framed.framing === 'number') framed.framing = unknownFraming
}
