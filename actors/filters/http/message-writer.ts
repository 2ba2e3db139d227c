// Hot path: a message whose head was not touched is written with two or three sends and no copy.

import {
  type ConnectionText,
  chunkEnd,
  chunkHeader,
  encodeRequestHead,
  encodeResponseHead,
  Framing,
  type HeaderFields,
  lastChunk,
  type RequestHead,
  type RequestLike,
  ResponseHead,
  type ResponseLike,
} from '../../../runtime/codec/http1/index.ts'
import { Data } from '../../../runtime/event.ts'
import { type Flushable, turn } from '../../../runtime/turn.ts'
import { type EventPort, Latin1 } from '../../filter.ts'
import { httpDate } from './http-date.ts'

/** Bytes of a body of unknown length that are held to see whether it ends: then it gets a Content-Length. */
export const defaultBufferBytes = 16 * 1024

/** How the peer is spoken to, for one message. */
export interface WriteMode {
  /** What the head says of the connection. */
  connection: ConnectionText
  /** False for peers of HTTP/1.0, which know no chunks: a body of unknown length then ends with the connection. */
  canChunk: boolean
  /** True when no body may follow, whatever the script gives (HEAD, 204, 304). */
  isBodiless: boolean
  /** What a head without a body says of the one that GET would have had (RFC 9110 §8.6): its length, or `none`. */
  omitted: Framing
  /** Lines that tell the peer where in a trace a request stands; '' leaves its head as it came. */
  trace: string
}

/** Whom a writer writes for. */
export interface WriterOwner {
  /** The turn is over and the message is not: to be answered with `release`, inside the owner's actor. */
  heldToTheEnd(): void
}

/**
 * Writes messages one after the other as HTTP/1.1. Throws when a script has put into a head what cannot be sent.
 *
 *     start ──► head out at once, when the length of the body is known or does not matter
 *        └────► head held ──► MessageEnd in the same turn: Content-Length
 *                        └──► end of the turn, or 16 KiB: chunked
 */
export class MessageWriter implements Flushable {
  private readonly owner: WriterOwner
  private readonly isRequest: boolean
  private readonly bufferBytes: number
  private head: object | null = null
  private connection: ConnectionText = ''
  private trace = ''
  private canChunk = true
  private held: Data | null = null
  private isHolding = false
  private isDeferred = false
  private framing: Framing = Framing.none
  /** Bytes of the body still due, when its length was announced. */
  private due = 0
  /** True when the body just written can only end with the connection. */
  endsWithConnection = false
  /** Whether the head of the message has been sent. */
  isHeadOut = false

  constructor(owner: WriterOwner, isRequest: boolean, bufferBytes: number) {
    this.owner = owner
    this.isRequest = isRequest
    this.bufferBytes = bufferBytes
  }

  /** Begins a message. */
  start(head: object, mode: WriteMode, out: EventPort): void {
    this.head = head
    this.connection = mode.connection
    this.trace = mode.trace
    this.canChunk = mode.canChunk
    this.out = out
    this.endsWithConnection = false
    this.isHeadOut = false
    this.held = null
    if (mode.isBodiless) {
      this.writeHead(mode.omitted)
      this.framing = bodiless
      return
    }
    const declared = (head as { framing?: Framing }).framing
    if (declared === undefined || declared === Framing.unknown || declared === Framing.none)
      this.isHolding = true
    else this.writeHead(declared === Framing.untilClose ? Framing.chunked : declared)
  }

  private out: EventPort = undefined as unknown as EventPort

  data(data: Data): void {
    const size = data.end - data.start
    if (size === 0) return
    if (this.isHolding) {
      this.hold(data)
      return
    }
    const { framing } = this
    if (framing >= 0) {
      // More than announced would be read as the next message: it is cut.
      const fits = size <= this.due
      this.due -= size
      if (fits) this.out.process(data)
      else if (this.due + size > 0) this.out.process(data.clone().shift(this.due + size))
    } else if (framing === Framing.chunked) {
      this.text(chunkHeader(size))
      this.out.process(data)
      this.text(chunkEnd)
    } else if (framing === Framing.untilClose) {
      this.out.process(data)
    }
  }

  private hold(data: Data): void {
    // Borrowed bytes stay valid until the end of the turn, which is when holding ends at the latest.
    if (this.held === null) this.held = data.clone()
    else this.held.push(data)
    if (this.held.size > this.bufferBytes) this.letGo(Framing.chunked)
    else if (!this.isDeferred) {
      this.isDeferred = true
      turn.defer(this)
    }
  }

  flush(): void {
    this.isDeferred = false
    if (this.isHolding && this.held !== null) this.owner.heldToTheEnd()
  }

  /** Sends what is held, whose length stays unknown. */
  release(): void {
    if (this.isHolding && this.held !== null) this.letGo(Framing.chunked)
  }

  private letGo(framing: Framing): void {
    const { held } = this
    this.isHolding = false
    this.held = null
    this.writeHead(framing)
    if (held !== null) this.data(held)
  }

  /** Ends the message. False when fewer bytes came than were announced: then only closing the connection tells the peer. */
  end(tail: object | undefined): boolean {
    if (this.isHolding) {
      const size = this.held?.size ?? 0
      this.letGo(size === 0 && this.isRequest ? Framing.none : size)
    }
    this.head = null
    if (this.framing === Framing.chunked)
      this.text(lastChunk((tail as { headers?: HeaderFields } | undefined)?.headers))
    return this.framing < 0 || this.due <= 0
  }

  private writeHead(wanted: Framing): void {
    const framing = wanted === Framing.chunked && !this.canChunk ? Framing.untilClose : wanted
    this.framing = framing
    this.due = framing
    if (framing === Framing.untilClose) {
      this.endsWithConnection = true
      this.connection = 'close'
    }
    const head = this.head as object
    if (this.isRequest)
      this.text(
        encodeRequestHead(head as RequestHead | RequestLike, framing, this.connection, '', this.trace),
      )
    else this.text(responseText(head, framing, this.connection))
    this.isHeadOut = true
  }

  private text(text: string): void {
    if (this.out.takesText) this.out.process(new Latin1(text))
    else this.out.process(new Data(text, 'latin1'))
  }
}

/** No Framing: the body is swallowed. */
const bodiless = -5

/** A response that we make ourselves says when, RFC 9110 §6.6.1; one that we forward says what its origin said. */
function responseText(head: object, framing: Framing, connection: ConnectionText): string {
  const text = encodeResponseHead(head as ResponseHead | ResponseLike, framing, connection)
  if (head instanceof ResponseHead || hasDate((head as ResponseLike).headers)) return text
  return `${text.slice(0, -2)}Date: ${httpDate()}\r\n\r\n`
}

function hasDate(headers: HeaderFields | undefined): boolean {
  if (headers === undefined) return false
  if (headers.date !== undefined) return true
  for (const name in headers) if (name.length === 4 && name.toLowerCase() === 'date') return true
  return false
}
