/** The rules of the PROXY protocol that a sender can break. A reader names exactly one and stops for good. */

export interface Violation {
  readonly id: string
  readonly reason: string
}

const reasons = {
  missing: 'The connection does not begin with a PROXY protocol header',
  truncated: 'The connection was closed inside a PROXY protocol header',
  lineTooLong: 'A PROXY protocol line is longer than 107 bytes',
  badLine: 'A PROXY protocol line is not "PROXY family source target port port"',
  badVersion: 'The version or command of a binary PROXY protocol header is unknown',
  badFamily: 'The address family of a binary PROXY protocol header is unknown',
  tooLarge: 'A binary PROXY protocol header is larger than the limit',
  shortAddress: 'A binary PROXY protocol header is too short for its addresses',
  badField: 'A field (TLV) of a binary PROXY protocol header goes over its end',
  badChecksum: 'The checksum of a binary PROXY protocol header is wrong',
} as const satisfies Record<string, string>

export type ViolationId = keyof typeof reasons

export const violations = Object.fromEntries(
  Object.entries(reasons).map(([id, reason]) => [id, Object.freeze({ id, reason })]),
) as { readonly [id in ViolationId]: Violation & { readonly id: id } }
