import { Framing } from '../../../runtime/codec/http1/index.ts'

/** A filter is going to change the body that follows this head: what the head says of its length no longer holds. */
export function forgetLength(head: object): void {
  const framed = head as { framing?: unknown }
  if (typeof framed.framing === 'number') framed.framing = Framing.unknown
}
