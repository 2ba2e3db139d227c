/** What is on its way to streams: the answers to all of it come to one inbox, each with the number of its publication. */

import { Buffer } from 'node:buffer'
import { JetStreamApiCodes, JetStreamApiError } from '@nats-io/jetstream'
import { createInbox, type Msg, type MsgHdrs, PermissionViolationError } from '@nats-io/transport-node'
import { after } from '../../runtime/clock.ts'
import { TrafficError } from '../../runtime/errors.ts'
import type { Stored, StreamPublishOptions } from './bus.ts'
import { busError, notConnected } from './nats-errors.ts'
import type { NatsParts } from './nats-feed.ts'
import { isPlain, sendLarge } from './nats-large.ts'
import { natsHeaders } from './nats-message.ts'

/** One that has no answer yet. */
interface Open {
  readonly subject: string
  readonly settle: (stored: Stored) => void
  readonly fail: (error: unknown) => void
}

interface Inbox {
  readonly subject: string
  readonly prefix: string
}

const messageId = 'Nats-Msg-Id'
const noResponders = 503

/**
 * The client's own way asks by a request, for which it makes timers, promises and an error, with its trace, which
 * nobody ever sees.
 */
export class NatsPublications {
  private readonly parts: NatsParts
  private readonly open = new Map<number, Open>()
  private last = 0
  private inbox: Inbox | undefined

  constructor(parts: NatsParts) {
    this.parts = parts
  }

  /** As `Streams.publish`. */
  publish(subject: string, payload: Uint8Array, options: StreamPublishOptions): Promise<Stored> {
    const { promise, resolve, reject } = Promise.withResolvers<Stored>()
    const doing = `cannot store in '${subject}'`
    const number = ++this.last
    const fail = (error: unknown): void => {
      this.settled(number, fail, cancel)
      reject(busError(error, doing))
    }
    const cancel = after(options.deadlineMs, () =>
      fail(new TrafficError('AskTimeout', `${doing}: no answer came within ${options.deadlineMs} ms`)),
    )
    const settle = (stored: Stored): void => {
      this.settled(number, fail, cancel)
      resolve(stored)
    }
    this.open.set(number, { subject, settle, fail })
    this.parts.calls.add(fail)
    try {
      if (!this.parts.bus.isConnected) throw notConnected(doing)
      const reply = `${this.inboxNow().prefix}${number}`
      const headers = headersOf(options)
      const { connection } = this.parts
      const isSent =
        headers instanceof PlainHeaders &&
        sendLarge(connection, { subject, payload, reply, headers: headers.encode() })
      if (!isSent) connection.publish(subject, payload, { reply, headers: headers as MsgHdrs })
    } catch (error) {
      fail(error)
    }
    return promise
  }

  private settled(number: number, fail: Open['fail'], cancel: () => void): void {
    cancel()
    this.open.delete(number)
    this.parts.calls.remove(fail)
  }

  private inboxNow(): Inbox {
    if (this.inbox === undefined) {
      const prefix = `${createInbox()}.`
      const subject = `${prefix}*`
      this.parts.connection.subscribe(subject, {
        callback: (error, message) => {
          if (error === null) this.take(message)
        },
      })
      this.inbox = { subject, prefix }
    }
    return this.inbox
  }

  private take(message: Msg): void {
    const { prefix } = this.inbox ?? { prefix: '' }
    const open = this.open.get(Number(message.subject.slice(prefix.length)))
    // It comes after the deadline.
    if (open === undefined) return
    try {
      open.settle(storedOf(message, open.subject))
    } catch (error) {
      open.fail(error)
    }
  }

  /** The server does not let us do something: no answers come to what that was about. */
  forbidden(error: Error): void {
    if (!(error instanceof PermissionViolationError)) return
    const isInbox = error.operation === 'subscription' && error.subject === this.inbox?.subject
    if (isInbox) this.inbox = undefined
    for (const { subject, fail } of [...this.open.values()])
      if (isInbox || (error.operation === 'publish' && error.subject === subject)) fail(error)
  }
}

/** @throws what the stream has refused it with */
function storedOf({ data, headers }: Msg, subject: string): Stored {
  if (data.length === 0 && headers?.code === noResponders)
    throw new TrafficError('NoResponder', `cannot store in '${subject}': no stream takes it`)
  const answer = JSON.parse(Buffer.from(data.buffer, data.byteOffset, data.length).toString())
  const { error, stream, seq, duplicate } = answer as {
    readonly error?: ConstructorParameters<typeof JetStreamApiError>[0]
    readonly stream?: string
    readonly seq: number
    readonly duplicate?: boolean
  }
  if (error !== undefined) {
    if (error.err_code === JetStreamApiCodes.JetStreamNotEnabledForAccount)
      throw new TrafficError('NoResponder', `cannot store in '${subject}': ${error.description}`)
    throw new JetStreamApiError(error)
  }
  if (stream === undefined || stream === '') throw new TypeError('what came is no answer of a stream')
  return { sequence: seq, isDuplicate: duplicate === true }
}

/** Ids of our own are plain; what somebody else's name is part of is checked by the client. */
function headersOf({ id, headers }: StreamPublishOptions): PlainHeaders | MsgHdrs {
  if (headers === undefined && isPlain(id)) return new PlainHeaders(`NATS/1.0\r\n${messageId}: ${id}\r\n\r\n`)
  const all = natsHeaders(headers ?? {})
  all.set(messageId, id)
  return all
}

/** All that the client asks of headers that it sends. */
class PlainHeaders {
  private readonly text: string

  constructor(text: string) {
    this.text = text
  }

  encode(): Uint8Array {
    return Buffer.from(this.text, 'latin1')
  }
}
