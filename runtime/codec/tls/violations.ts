/** What shows that bytes are no TLS ClientHello, or a broken one. A reader names exactly one and stops for good. */

export interface Violation {
  readonly id: string
  readonly reason: string
}

const reasons = {
  notHandshake: 'The bytes do not begin with a TLS handshake record',
  badRecord: 'A TLS record has a version or length that cannot be',
  notClientHello: 'The first handshake message is no ClientHello',
  tooLarge: 'The ClientHello is larger than the limit',
  malformed: 'The ClientHello does not follow RFC 8446, 4.1.2',
  repeatedExtension: 'The ClientHello has an extension twice',
  badServerName: 'The server name of the ClientHello is no host name',
} as const satisfies Record<string, string>

export type ViolationId = keyof typeof reasons

export const violations = Object.fromEntries(
  Object.entries(reasons).map(([id, reason]) => [id, Object.freeze({ id, reason })]),
) as { readonly [id in ViolationId]: Violation & { readonly id: id } }
