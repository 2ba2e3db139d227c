/** TLS (RFC 8446) as seen from outside: what a client asks for, before anything is encrypted. */

export type { ClientHello } from './client-hello.ts'
export { ClientHelloReader, defaultMaxHelloBytes } from './client-hello.ts'
export type { Violation, ViolationId } from './violations.ts'
export { violations } from './violations.ts'
