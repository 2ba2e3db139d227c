import { MessageDecoder, type MessageSink } from './decoder.ts'
import { dropFields } from './fields.ts'
import { Framing } from './framing.ts'
import { RequestHead, splitTarget } from './head.ts'
import type { HeadLimits } from './limits.ts'
import { SectionKind } from './section.ts'
import { violations } from './violations.ts'

export type RequestSink = MessageSink<RequestHead>

/**
 * Reads requests. It is strict: whatever two HTTP parsers are known to read differently is refused, so that no
 * request can hide in another (RFC 9112 §11.2).
 */
export class RequestDecoder extends MessageDecoder<RequestHead> {
  protected readonly skipsEmptyLine = true

  constructor(sink: RequestSink, limits?: Partial<HeadLimits>) {
    super(SectionKind.request, sink, limits)
  }

  protected expectsMessage(): boolean {
    return true
  }

  protected startMessage(): boolean {
    const section = this.section
    if (section.hostCount === 0 && section.httpMinor === 1) return this.fail(violations.missingHost)
    let framing: Framing = section.contentLength
    if (section.isChunked) {
      if (section.httpMinor === 0) return this.fail(violations.encodingInHTTP10)
      if (framing !== Framing.none) return this.fail(violations.lengthAndEncoding)
      framing = Framing.chunked
    }
    if (section.method === 'CONNECT' && framing !== Framing.none && framing !== 0)
      return this.fail(violations.connectWithBody)
    let raw = section.text()
    if (section.nominated !== '') raw = this.dropNominated(raw)
    this.settleUpgrade()
    const head = new RequestHead(raw, section, framing, this.persists())
    if (head.isAbsolute) takeHostFromTarget(head)
    return this.deliver(head, framing)
  }
}

/** RFC 9112 §3.2.2: with a target in absolute-form, a proxy ignores the Host received and goes by the target. */
function takeHostFromTarget(head: RequestHead): void {
  const { lineEnd } = head
  const rest = dropFields(head.raw, lineEnd, ['host']).slice(lineEnd)
  head.raw = `${head.raw.slice(0, lineEnd)}Host: ${splitTarget(head.path).authority}\r\n${rest}`
}
