/** Runs decoders over given bytes and writes down what they say, in a form that can be compared. */

import { Buffer } from 'node:buffer'
import {
  type Headers,
  type HeadLimits,
  type MessageSink,
  RequestDecoder,
  type RequestHead,
  ResponseDecoder,
  type ResponseHead,
  type Violation,
} from '../../../../../runtime/codec/http1/index.ts'

export type Recorded =
  | { readonly head: string; readonly framing: number; readonly keepAlive: boolean }
  | { body: string }
  | { readonly end: Headers | undefined }
  | { readonly violation: string }

/** A sink that joins the pieces of a body, since their number depends on how the input was cut. */
export class Recorder<H extends RequestHead | ResponseHead> implements MessageSink<H> {
  readonly events: Recorded[] = []
  readonly heads: H[] = []
  onEnd: () => void = () => {}
  onHead: () => void = () => {}
  onBody: () => void = () => {}

  head(head: H): void {
    this.heads.push(head)
    this.events.push({ head: head.raw, framing: head.framing, keepAlive: head.keepAlive })
    this.onHead()
  }

  body(buffer: Buffer, start: number, end: number): void {
    const text = buffer.toString('latin1', start, end)
    const last = this.events.at(-1)
    if (last !== undefined && 'body' in last) last.body += text
    else this.events.push({ body: text })
    this.onBody()
  }

  end(trailers: Headers | undefined): void {
    this.events.push({ end: trailers })
    this.onEnd()
  }

  violation(violation: Violation): void {
    this.events.push({ violation: violation.id })
  }

  /** Id of the rule broken, if any. */
  get broken(): string | undefined {
    const last = this.events.at(-1)
    return last !== undefined && 'violation' in last ? last.violation : undefined
  }
}

export const bytes = (text: string): Buffer => Buffer.from(text, 'latin1')

/** The pieces of a text when it is cut at these places. */
export function pieces(text: string, cuts: readonly number[]): Buffer[] {
  const at = [...new Set(cuts.map(cut => cut % (text.length + 1)))].sort((a, b) => a - b)
  return [0, ...at].map((from, i) => bytes(text.slice(from, at[i] ?? text.length)))
}

export const everyByte = (text: string): Buffer[] => [...text].map(bytes)

/** Requests read from these pieces, then the end of the connection. */
export function readRequests(
  input: string | readonly Buffer[],
  limits?: Partial<HeadLimits>,
  finishes = true,
): Recorder<RequestHead> {
  const recorder = new Recorder<RequestHead>()
  const decoder = new RequestDecoder(recorder, limits)
  for (const piece of typeof input === 'string' ? [bytes(input)] : input)
    decoder.decode(piece, 0, piece.length)
  if (finishes) decoder.finish()
  return recorder
}

/** Responses to requests with these methods, read from these pieces, then the end of the connection. */
export function readResponses(
  methods: readonly string[],
  input: string | readonly Buffer[],
  limits?: Partial<HeadLimits>,
  finishes = true,
): Recorder<ResponseHead> {
  const recorder = new Recorder<ResponseHead>()
  const decoder = new ResponseDecoder(recorder, limits)
  for (const method of methods) decoder.expect(method)
  for (const piece of typeof input === 'string' ? [bytes(input)] : input)
    decoder.decode(piece, 0, piece.length)
  if (finishes) decoder.finish()
  return recorder
}

/** The one head in a request of these lines. */
export function requestHead(...lines: string[]): RequestHead {
  const recorder = readRequests(`${lines.join('\r\n')}\r\n\r\n`, undefined, false)
  const [head] = recorder.heads
  if (head === undefined) throw new Error(`No head: ${recorder.broken}`)
  return head
}

/** The one head in a response of these lines. */
export function responseHead(...lines: string[]): ResponseHead {
  const recorder = readResponses(['GET'], `${lines.join('\r\n')}\r\n\r\n`, undefined, false)
  const [head] = recorder.heads
  if (head === undefined) throw new Error(`No head: ${recorder.broken}`)
  return head
}
