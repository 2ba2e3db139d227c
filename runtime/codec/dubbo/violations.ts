/** The rules of the Dubbo protocol that a peer can break. A decoder names exactly one and stops for good. */

export interface Violation {
  readonly id: string
  readonly reason: string
}

const reasons = {
  badMagic: 'A Dubbo message does not begin with da bb',
  bodyTooLarge: 'The body of a Dubbo message is larger than the limit, or its length is negative',
  truncated: 'The connection was closed inside a Dubbo message',
} as const satisfies Record<string, string>

export type ViolationId = keyof typeof reasons

export const violations = Object.fromEntries(
  Object.entries(reasons).map(([id, reason]) => [id, Object.freeze({ id, reason })]),
) as { readonly [id in ViolationId]: Violation & { readonly id: id } }
