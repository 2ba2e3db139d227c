// Hot path: see section.ts and body.ts, which this drives.

import type { Buffer } from 'node:buffer'
import { BodyReader } from './body.ts'
import { CR, LF } from './bytes.ts'
import { dropFields, type Headers } from './fields.ts'
import type { Framing } from './framing.ts'
import { HeadMemory } from './head-memory.ts'
import { type HeadLimits, withDefaults } from './limits.ts'
import { ConnectionOption, type SectionKind, SectionReader } from './section.ts'
import { wantsMore } from './start-line.ts'
import { type Violation, violations } from './violations.ts'

/** Who receives what a decoder reads. It may call `suspend`, `tunnel` and `stop` of the decoder meanwhile. */
export interface MessageSink<H> {
  head(head: H): void
  /** Bytes of the body, or of a tunnel. They are the caller's memory, valid during the call. */
  body(buffer: Buffer, start: number, end: number): void
  end(trailers: Headers | undefined): void
  /** The peer broke a rule. Nothing comes after it. */
  violation(violation: Violation): void
}

// idle -> inEmptyLine -> idle      at most one CRLF before a request line, RFC 9112 §2.2
// idle -> inHead -> inBody -> idle
//            `-> inTunnel          after `tunnel()`, or a response that begins one
// any  -> stopped                  after a violation, `finish()` or `stop()`
const idle = 0
const inEmptyLine = 1
const inHead = 2
const inBody = 3
const inTunnel = 4
const stopped = 5

/**
 * Turns bytes into messages. The same bytes give the same events however they are cut, bodies apart, which come in
 * the pieces that they came in.
 */
export abstract class MessageDecoder<H> {
  protected readonly section: SectionReader
  protected readonly bodyReader: BodyReader
  protected readonly limits: HeadLimits
  protected readonly sink: MessageSink<H>
  private state = idle
  private hasSkippedLine = false
  private wantsPause = false
  private wantsTunnel = false
  private isPaused = false

  constructor(kind: SectionKind, sink: MessageSink<H>, limits?: Partial<HeadLimits>) {
    this.limits = withDefaults(limits)
    this.sink = sink
    this.section = new SectionReader(kind, this.limits, memoryOf(kind, this.limits))
    this.bodyReader = new BodyReader(sink, this.limits)
  }

  /** Between two messages: nothing of the next has come. */
  get isIdle(): boolean {
    return this.state === idle
  }

  get isTunnel(): boolean {
    return this.state === inTunnel
  }

  /** True after a violation, `finish` or `stop`. */
  get isStopped(): boolean {
    return this.state === stopped
  }

  /**
   * Reads bytes. Returns the index reached: `end`, or less when it was suspended (the rest is to be given again) or
   * stopped (the rest is to be thrown away).
   */
  decode(buffer: Buffer, start: number, end: number): number {
    let at = start
    this.isPaused = false
    while (at < end) {
      switch (this.state) {
        case idle:
          if (!this.expectsMessage()) {
            this.fail(violations.unsolicited)
            return at
          }
          if (buffer[at] === CR && this.skipsEmptyLine && !this.hasSkippedLine) {
            this.state = inEmptyLine
            at++
            break
          }
          this.state = inHead
          break
        case inHead: {
          const reached = this.section.read(buffer, at, end)
          if (reached < 0) {
            if (reached === wantsMore) return end
            this.fail(this.section.violation as Violation)
            return at
          }
          at = reached
          this.startMessage()
          break
        }
        case inBody: {
          const reached = this.bodyReader.read(buffer, at, end)
          if (reached < 0) {
            this.fail(this.bodyReader.violation as Violation)
            return at
          }
          at = reached
          if (this.state === inBody && this.bodyReader.isDone) this.endMessage()
          break
        }
        case inEmptyLine:
          if (buffer[at] !== LF) {
            this.fail(violations.bareCR)
            return at
          }
          this.hasSkippedLine = true
          this.state = idle
          at++
          break
        case inTunnel:
          this.sink.body(buffer, at, end)
          return end
        default:
          return at
      }
      if (this.isPaused) return at
    }
    return at
  }

  /** The peer sends no more. That ends a body that lasts until then; anywhere else inside a message it is a violation. */
  finish(): void {
    if (this.state === stopped) return
    if (this.state === inBody && this.bodyReader.isUntilClose) {
      this.bodyReader.stop()
      this.state = stopped
      this.sink.end(undefined)
    } else if (this.state === idle || this.state === inTunnel) {
      this.state = stopped
    } else {
      this.fail(violations.truncated)
    }
  }

  /** From within the sink: `decode` returns when the current message has ended. The next `decode` goes on. */
  suspend(): void {
    this.wantsPause = true
  }

  /** All bytes that follow the current message (or the last one) are no messages: they go to `sink.body` as they are. */
  tunnel(): void {
    if (this.state === idle) this.state = inTunnel
    else this.wantsTunnel = true
  }

  /** Takes nothing more. From within the sink, `decode` returns at once. */
  stop(): void {
    this.state = stopped
    this.isPaused = true
    this.bodyReader.stop()
    this.section.release()
  }

  protected abstract readonly skipsEmptyLine: boolean

  /** Whether a message may come now. */
  protected abstract expectsMessage(): boolean

  /** Makes the head of the section just read, and ends with `deliver` or `fail`. */
  protected abstract startMessage(): boolean

  protected deliver(head: H, framing: Framing): boolean {
    this.section.release()
    if (!this.bodyReader.begin(framing)) return this.fail(violations.bodyTooLarge)
    this.state = inBody
    this.sink.head(head)
    if (this.state === inBody && this.bodyReader.isDone) this.endMessage()
    return true
  }

  private endMessage(): void {
    this.hasSkippedLine = false
    this.state = idle
    const trailers = this.bodyReader.trailers
    this.sink.end(trailers)
    if (this.wantsTunnel && this.state === idle) {
      this.wantsTunnel = false
      this.state = inTunnel
    }
    if (this.wantsPause) {
      this.wantsPause = false
      this.isPaused = true
    }
  }

  /** Stops for good. Returns false. */
  protected fail(violation: Violation): false {
    this.stop()
    this.sink.violation(violation)
    return false
  }

  /** Whether the connection goes on after this message, RFC 9112 §9.3. */
  protected persists(): boolean {
    const options = this.section.connection
    if ((options & ConnectionOption.close) !== 0) return false
    return this.section.httpMinor > 0 || (options & ConnectionOption.keepAlive) !== 0
  }

  /** RFC 9110 §7.8: an Upgrade counts when Connection nominates it, and not in HTTP/1.0. */
  protected settleUpgrade(): void {
    const section = this.section
    if (section.upgrade === '') return
    if (section.httpMinor === 0 || (section.connection & ConnectionOption.upgrade) === 0) section.upgrade = ''
  }

  /**
   * Works through Connection options beyond the usual ones: drops the fields that they name (RFC 9110 §7.6.1), but
   * never those that frame or route the message, which a client could otherwise take out of the proxy's hand.
   */
  protected dropNominated(raw: string): string {
    const dropped: string[] = []
    for (const part of this.section.nominated.split(',')) {
      const option = part.trim().toLowerCase()
      if (option === 'close') this.section.connection |= ConnectionOption.close
      else if (option === 'keep-alive') this.section.connection |= ConnectionOption.keepAlive
      else if (option === 'upgrade') this.section.connection |= ConnectionOption.upgrade
      else if (option !== '' && !kept.has(option)) dropped.push(option)
    }
    return dropped.length === 0 ? raw : dropFields(raw, this.section.lineEnd, dropped)
  }
}

const kept: ReadonlySet<string> = new Set(['content-length', 'host', 'transfer-encoding'])

const memories = new WeakMap<HeadLimits, HeadMemory[]>()

/** Decoders of one kind and the same limits share what they know: the limits are part of what makes a head acceptable. */
function memoryOf(kind: SectionKind, limits: HeadLimits): HeadMemory {
  let kinds = memories.get(limits)
  if (kinds === undefined) {
    kinds = [new HeadMemory(), new HeadMemory()]
    memories.set(limits, kinds)
  }
  return kinds[kind] as HeadMemory
}
