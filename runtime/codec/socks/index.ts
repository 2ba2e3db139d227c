/** SOCKS4, SOCKS4a (its authors' memos) and SOCKS5 (RFC 1928): the handshakes in front of a tunnel. */

export type { SOCKSClientSink } from './client.ts'
export { replyText, SOCKSClientHandshake } from './client.ts'
export type { SOCKSRequest, SOCKSServerSink } from './server.ts'
export { grantOf, refusalOf, SOCKSServerHandshake } from './server.ts'
export type { Violation, ViolationId } from './violations.ts'
export { violations } from './violations.ts'
