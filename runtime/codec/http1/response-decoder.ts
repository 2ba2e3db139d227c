import { MessageDecoder, type MessageSink } from './decoder.ts'
import { dropFields } from './fields.ts'
import { Framing } from './framing.ts'
import { ResponseHead } from './head.ts'
import type { HeadLimits } from './limits.ts'
import { SectionKind, type SectionReader } from './section.ts'
import { violations } from './violations.ts'

export type ResponseSink = MessageSink<ResponseHead>

const framingFields = ['content-length', 'transfer-encoding'] as const

// What the method of a request says about the response to it.
const ordinary = 0
const bodiless = 1
const tunnelling = 2

/**
 * Reads responses, each to a request announced by `expect`. It repairs what RFC 9112 lets a proxy repair (bare LF,
 * space before a colon, a missing reason, equal lengths given twice), and refuses what would let one response hide
 * in another.
 */
export class ResponseDecoder extends MessageDecoder<ResponseHead> {
  protected readonly skipsEmptyLine = false
  /** Requests under way, oldest first; those before `next` have been answered. */
  private readonly expected: number[] = []
  private next = 0
  private last = 0

  constructor(sink: ResponseSink, limits?: Partial<HeadLimits>) {
    super(SectionKind.response, sink, limits)
  }

  /** Announces the response to a request with this method. Responses come in the order of their requests. */
  expect(method: string): void {
    // Begun anew whenever it is empty: it grows to the deepest pipeline, and never shrinks an array, which is dear.
    if (this.next === this.last) {
      this.next = 0
      this.last = 0
    }
    this.expected[this.last++] = method === 'HEAD' ? bodiless : method === 'CONNECT' ? tunnelling : ordinary
  }

  /** Number of requests whose response has not begun. */
  get expectations(): number {
    return this.last - this.next
  }

  protected expectsMessage(): boolean {
    return this.next < this.last
  }

  protected startMessage(): boolean {
    const section = this.section
    const { status } = section
    const request = this.expected[this.next] as number
    if (section.isChunked) {
      if (section.httpMinor === 0) return this.fail(violations.encodingInHTTP10)
      if (section.contentLength >= 0) return this.fail(violations.lengthAndEncoding)
    }
    const isInterim = status < 200 && status !== 101
    if (!isInterim) this.next++
    // RFC 9112 §6.3, in its order.
    const startsTunnel = status === 101 || (request === tunnelling && status >= 200 && status < 300)
    const framing =
      startsTunnel || status < 200 || status === 204 || status === 304 || request === bodiless
        ? Framing.none
        : section.isChunked
          ? Framing.chunked
          : section.contentLength >= 0
            ? section.contentLength
            : Framing.untilClose
    let raw = section.text()
    if (section.needsRepair) raw = repair(raw, section)
    if (section.nominated !== '') raw = this.dropNominated(raw)
    // RFC 9110 §8.6, RFC 9112 §6.1: these say nothing here, and may not be sent.
    if (
      (startsTunnel || status < 200 || status === 204) &&
      (section.isChunked || section.contentLength >= 0)
    ) {
      raw = dropFields(raw, section.lineEnd, framingFields)
      section.isChunked = false
      section.contentLength = -1
    }
    this.settleUpgrade()
    const persists = framing !== Framing.untilClose && this.persists()
    if (startsTunnel) this.tunnel()
    return this.deliver(new ResponseHead(raw, section, framing, persists), framing)
  }
}

/** Rewrites the line ends and spaces that were tolerated as they should have been. */
function repair(text: string, section: SectionReader): string {
  const lines = text.replaceAll('\r\n', '\n').split('\n')
  const raw = lines
    .map(line => (line === lines[0] ? line : line.replace(/^([^\s:]+)[ \t]+:/, '$1:')))
    .join('\r\n')
  const statusLine = lines[0] as string
  section.secondEnd = 13
  section.lineEnd = Math.max(13, statusLine.length) + 2
  return statusLine.length === 12 ? `${statusLine} ${raw.slice(12)}` : raw
}
