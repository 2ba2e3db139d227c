/** The protocol of Redis, versions 2 and 3: bytes to values and back. `values.ts` tells what becomes of each type. */

export type { RESPSink } from './decoder.ts'
export { RESPDecoder } from './decoder.ts'
export type { EncodeOptions } from './encoder.ts'
export { encodeRESP } from './encoder.ts'
export type { RESPLimits } from './limits.ts'
export { defaultLimits } from './limits.ts'
export type { RESPHead, RESPType, RESPValue } from './values.ts'
export { VerbatimString } from './values.ts'
export type { Violation, ViolationId } from './violations.ts'
export { violations } from './violations.ts'
