/**
 * Every rule of HTTP/1.1 that a peer can break, in one table. A decoder names exactly one and stops for good: what
 * comes after bytes that two parsers may read differently is never looked at (RFC 9112 §11.2, request smuggling).
 *
 * `status` answers a request that broke the rule. A response that broke it is answered with 502 to our client.
 */

export interface Violation {
  readonly id: string
  readonly status: number
  readonly reason: string
}

const rule = (status: number, reason: string) => ({ status, reason })

const rules = {
  // Lines, RFC 9112 §2.2
  bareCR: rule(400, 'A carriage return is not followed by a line feed'),
  bareLF: rule(400, 'A line feed is not preceded by a carriage return'),
  truncated: rule(400, 'The connection was closed inside a message'),

  // Request line, RFC 9112 §3
  badMethod: rule(400, 'The method is not a token'),
  badRequestLine: rule(400, 'The request line is not "method SP target SP version"'),
  badTarget: rule(400, 'The request target is not a valid URI in the form that the method demands'),
  badVersion: rule(400, 'The protocol version is malformed'),
  unsupportedVersion: rule(505, 'The protocol version is not HTTP/1.0 or HTTP/1.1'),
  lineTooLong: rule(414, 'The request line is too long'),

  // Fields, RFC 9112 §5
  leadingSpace: rule(400, 'White space comes before the first field'),
  foldedLine: rule(400, 'A field is folded over several lines'),
  emptyName: rule(400, 'A field has no name'),
  badName: rule(400, 'A field name is not a token directly followed by a colon'),
  badValue: rule(400, 'A field value contains a control character'),
  tooManyFields: rule(431, 'There are too many fields'),
  headTooLarge: rule(431, 'The head is too large'),
  missingHost: rule(400, 'An HTTP/1.1 request has no Host field'),
  repeatedHost: rule(400, 'The Host field is repeated'),
  badHost: rule(400, 'The Host field is not a host with an optional port'),

  // Framing, RFC 9112 §6
  badLength: rule(400, 'Content-Length is not one decimal number'),
  repeatedLength: rule(400, 'Content-Length is repeated'),
  lengthAndEncoding: rule(400, 'Content-Length and Transfer-Encoding are both given'),
  badEncoding: rule(400, 'Transfer-Encoding is not exactly "chunked"'),
  repeatedEncoding: rule(400, 'Transfer-Encoding is repeated'),
  encodingInHTTP10: rule(400, 'An HTTP/1.0 message has a Transfer-Encoding'),
  connectWithBody: rule(400, 'A CONNECT request has a body'),
  bodyTooLarge: rule(413, 'The body is too large'),

  // Chunks, RFC 9112 §7.1
  badChunkSize: rule(400, 'A chunk size is not a hexadecimal number'),
  chunkTooLarge: rule(400, 'A chunk size is larger than 2^53-1'),
  badExtension: rule(400, 'A chunk extension is malformed'),
  extensionsTooLarge: rule(400, 'The chunk extensions are too large'),
  badChunkEnd: rule(400, 'The data of a chunk is not followed by a line end'),
  trailersTooLarge: rule(431, 'The trailer section is too large'),

  // Responses, RFC 9112 §4
  badStatusLine: rule(502, 'The status line is not "version SP status [SP reason]"'),
  unsolicited: rule(502, 'Bytes came that answer no request'),
} as const satisfies Record<string, { status: number; reason: string }>

export type ViolationId = keyof typeof rules

/** The table, each row knowing its own id. */
export const violations = Object.fromEntries(
  Object.entries(rules).map(([id, row]) => [id, Object.freeze({ id, ...row })]),
) as { readonly [id in ViolationId]: Violation & { readonly id: id } }
