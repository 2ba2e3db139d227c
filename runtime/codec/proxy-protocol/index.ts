/** The PROXY protocol, versions 1 and 2: who the client is, said by the proxy in front. */

export type { ProxiedProtocol, ProxyField, ProxyHeader } from './header.ts'
export { defaultMaxHeaderBytes, ProxyHeaderReader } from './reader.ts'
export type { Violation, ViolationId } from './violations.ts'
export { violations } from './violations.ts'
export type { ProxyHeaderLike } from './writer.ts'
export { encodeProxyHeader } from './writer.ts'
