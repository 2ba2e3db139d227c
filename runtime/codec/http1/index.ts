/** HTTP/1.1 (RFC 9110, RFC 9112): bytes to messages and back. */

export type { MessageSink } from './decoder.ts'
export type { ConnectionText, RequestLike, ResponseLike } from './encoder.ts'
export {
  chunkEnd,
  chunkHeader,
  continueResponse,
  encodeRequestHead,
  encodeResponseHead,
  lastChunk,
} from './encoder.ts'
export type { HeaderFields } from './fields.ts'
export { Headers } from './fields.ts'
export { Framing } from './framing.ts'
export { RequestHead, ResponseHead } from './head.ts'
export type { HeadLimits } from './limits.ts'
export { defaultLimits } from './limits.ts'
export { parsePlainHead, plainLines } from './plain-head.ts'
export type { RequestSink } from './request-decoder.ts'
export { RequestDecoder } from './request-decoder.ts'
export type { ResponseSink } from './response-decoder.ts'
export { ResponseDecoder } from './response-decoder.ts'
export { reasonOf } from './status-text.ts'
export type { Violation, ViolationId } from './violations.ts'
export { violations } from './violations.ts'
