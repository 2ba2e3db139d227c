/** The rules of RESP that a peer can break. A decoder names exactly one and stops for good. */

export interface Violation {
  readonly id: string
  readonly reason: string
}

const reasons = {
  badType: 'A Redis value begins with a byte that is no type',
  badLine: 'A line of a Redis value does not end with CR LF, or has one of them inside',
  badLength: 'The length of a Redis value is not a decimal number from 0 on',
  badNumber: 'A Redis number is malformed',
  badBoolean: 'A Redis boolean is neither t nor f',
  badNull: 'A Redis null has content',
  badVerbatim: 'A verbatim Redis string does not begin with three characters and a colon',
  badChunk: 'A streamed Redis string has something else than chunks',
  badEnd: 'The end of a streamed Redis value comes where there is none, or leaves a key without a value',
  badPush: 'A Redis push or attribute stands where it may not',
  lineTooLong: 'A line of a Redis value is longer than the limit',
  messageTooLarge: 'A Redis value has more bytes than the limit',
  tooManyElements: 'A Redis value has more elements than the limit',
  tooDeep: 'Redis values are nested deeper than the limit',
  truncated: 'The connection was closed inside a Redis value',
} as const satisfies Record<string, string>

export type ViolationId = keyof typeof reasons

export const violations = Object.fromEntries(
  Object.entries(reasons).map(([id, reason]) => [id, Object.freeze({ id, reason })]),
) as { readonly [id in ViolationId]: Violation & { readonly id: id } }
