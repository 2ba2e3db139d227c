/** The rules of SOCKS that a peer can break. A decoder names exactly one and stops for good. */

export interface Violation {
  readonly id: string
  readonly reason: string
}

const reasons = {
  // By the client
  badVersion: 'The first byte is no version of SOCKS (4 or 5)',
  noMethods: 'The SOCKS5 client offers no way to authenticate',
  noAcceptableMethod: 'The SOCKS5 client insists on authentication, which is not offered',
  badRequestVersion: 'A SOCKS5 request does not begin with 5',
  unsupportedCommand: 'The SOCKS command is not CONNECT',
  badAddressType: 'The SOCKS5 address type is not IPv4, IPv6 or a domain name',
  badDomain: 'The SOCKS domain name is empty, longer than 255 bytes, or has characters that no name has',
  userIdTooLong: 'The SOCKS4 user id is longer than 255 bytes',
  truncated: 'The connection was closed inside the SOCKS handshake',
  // By the server
  badReply: 'The SOCKS server answers with something else than SOCKS5',
  authenticationWanted: 'The SOCKS server wants authentication, which is not offered',
} as const satisfies Record<string, string>

export type ViolationId = keyof typeof reasons

export const violations = Object.fromEntries(
  Object.entries(reasons).map(([id, reason]) => [id, Object.freeze({ id, reason })]),
) as { readonly [id in ViolationId]: Violation & { readonly id: id } }
