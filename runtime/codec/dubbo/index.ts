/** Dubbo 2.x: bytes to messages and back. https://dubbo.apache.org/en/blog/2018/10/05/introduction-to-the-dubbo-protocol/ */

export type { DubboSink } from './decoder.ts'
export { DubboDecoder, defaultMaxBodyBytes } from './decoder.ts'
export { DubboEncoder } from './encoder.ts'
export type { DubboHeadLike } from './head.ts'
export { DubboHead, hessian2, statusOK } from './head.ts'
export type { Violation, ViolationId } from './violations.ts'
export { violations } from './violations.ts'
