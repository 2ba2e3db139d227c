// Hot path: one pass over the bytes; a head that lies in one piece is read where it is.

import { Buffer } from 'node:buffer'
import { type DubboHead, headBytes, magic, readHead } from './head.ts'
import { type Violation, violations } from './violations.ts'

/** Who receives what a decoder reads. */
export interface DubboSink {
  head(head: DubboHead): void
  /** Bytes of the body. They are the caller's memory, valid during the call. */
  body(buffer: Buffer, start: number, end: number): void
  end(): void
  /** The peer broke a rule. Nothing comes after it. */
  violation(violation: Violation): void
}

/** The limit that Dubbo itself has for the body of a message (`dubbo.protocol.payload`): 8 MiB. */
export const defaultMaxBodyBytes = 8 * 1024 * 1024

/**
 * Turns bytes into Dubbo messages (protocol version 2.x). The same bytes give the same events however they are cut,
 * bodies apart, which come in the pieces that they came in. It holds no more than a head.
 */
export class DubboDecoder {
  private readonly sink: DubboSink
  private readonly maxBodyBytes: number
  /** The part of a head that came before the rest of it. */
  private readonly partial = Buffer.alloc(headBytes)
  private partialSize = 0
  /** Bytes of the body still to come; 0 between messages. */
  private bodyLeft = 0
  private isStopped = false

  constructor(sink: DubboSink, maxBodyBytes: number = defaultMaxBodyBytes) {
    this.sink = sink
    this.maxBodyBytes = maxBodyBytes
  }

  decode(buffer: Buffer, start: number, end: number): void {
    let at = start
    while (at < end && !this.isStopped) {
      if (this.bodyLeft > 0) {
        const stop = Math.min(end, at + this.bodyLeft)
        this.bodyLeft -= stop - at
        this.sink.body(buffer, at, stop)
        at = stop
        if (this.bodyLeft === 0) this.sink.end()
      } else if (this.partialSize === 0 && end - at >= headBytes) {
        this.startMessage(buffer, at)
        at += headBytes
      } else {
        at = this.gather(buffer, at, end)
      }
    }
  }

  /** The peer sends no more: a violation inside a message. */
  finish(): void {
    if (!this.isStopped && (this.bodyLeft > 0 || this.partialSize > 0)) this.fail(violations.truncated)
    this.isStopped = true
  }

  private gather(buffer: Buffer, start: number, end: number): number {
    const stop = Math.min(end, start + headBytes - this.partialSize)
    buffer.copy(this.partial, this.partialSize, start, stop)
    this.partialSize += stop - start
    if (!startsWell(this.partial, 0, this.partialSize)) {
      // A peer that speaks another protocol may never send 16 bytes.
      this.fail(violations.badMagic)
    } else if (this.partialSize === headBytes) {
      this.partialSize = 0
      this.startMessage(this.partial, 0)
    }
    return stop
  }

  private startMessage(buffer: Buffer, at: number): void {
    if (!startsWell(buffer, at, headBytes)) {
      this.fail(violations.badMagic)
      return
    }
    const bodySize = buffer.readUInt32BE(at + 12)
    if (bodySize > this.maxBodyBytes) {
      this.fail(violations.bodyTooLarge)
      return
    }
    this.bodyLeft = bodySize
    this.sink.head(readHead(buffer, at))
    if (bodySize === 0) this.sink.end()
  }

  private fail(violation: Violation): void {
    this.isStopped = true
    this.sink.violation(violation)
  }
}

const startsWell = (buffer: Buffer, at: number, size: number): boolean =>
  buffer[at] === magic[0] && (size < 2 || buffer[at + 1] === magic[1])
