/** Hessian 2.0, the serialization of Dubbo: bytes to values and back. */

export type { HessianLimits } from './limits.ts'
export { defaultLimits } from './limits.ts'
export { HessianReader } from './reader.ts'
export { setTag, tagOf } from './types.ts'
export { HessianWriter } from './writer.ts'
