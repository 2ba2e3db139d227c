import {
  defaultLimits,
  encodeRESP as encodeValue,
  type RESPHead,
  type RESPValue,
} from '../../../runtime/codec/resp/index.ts'
import { TrafficError } from '../../../runtime/errors.ts'
import { Data, type Event, type MessageEnd, StreamEnd } from '../../../runtime/event.ts'
import { type OptionSpecs, optional, type Resolved, size } from '../../../runtime/options.ts'
import { Filter } from '../../filter.ts'
import type { FilterDefinition } from '../definition.ts'

const isVersion = (value: unknown): value is 2 | 3 => value === 2 || value === 3

const options = {
  version: optional(
    '2 or 3',
    'Version of RESP that the receiver reads. 2: maps and sets become arrays, booleans 1 and 0, doubles strings. 3: null is _. By default each value is written in the oldest version that has its type.',
    isVersion,
  ),
  maxMessageSize: size(
    defaultLimits.maxMessageBytes,
    'Bytes of the body of a message without a payload. More end the stream with BufferOverflow.',
  ),
} as const satisfies OptionSpecs

class EncodeRESP extends Filter {
  private readonly settings: Resolved<typeof options>
  private head: RESPHead | null = null
  private body: Data | null = null
  private hasEnded = false

  constructor(settings: Resolved<typeof options>) {
    super()
    this.settings = settings
  }

  process(event: Event): void {
    if (this.hasEnded) return
    switch (event.kind) {
      case 0:
        if (this.head !== null && event.size > 0) this.append(event)
        return
      case 1:
        this.head = event.head
        this.body = null
        return
      case 2:
        this.endMessage(event)
        return
      case 3:
        this.hasEnded = true
        this.next.process(event)
        return
      default:
        event satisfies never
    }
  }

  private append(data: Data): void {
    const { maxMessageSize } = this.settings
    if ((this.body?.size ?? 0) + data.size > maxMessageSize) {
      this.hasEnded = true
      this.body = null
      const reason = `a Redis message is larger than maxMessageSize, which is ${maxMessageSize} bytes`
      this.next.process(new StreamEnd(new TrafficError('BufferOverflow', reason)))
    } else if (this.body === null) {
      this.body = data.clone().keep()
    } else {
      this.body.push(data)
    }
  }

  private endMessage(end: MessageEnd): void {
    const { head, body } = this
    if (head === null) return
    this.head = null
    this.body = null
    const value = end.payload === undefined ? (body ?? null) : (end.payload as RESPValue)
    const tail = end.tail as { attributes?: unknown } | undefined
    const attributes = tail?.attributes instanceof Map ? tail.attributes : undefined
    const bytes = encodeValue(value, { type: head.type, version: this.settings.version, attributes })
    this.next.process(Data.over(bytes))
  }
}

export const encodeRESP: FilterDefinition = {
  name: 'encodeRESP',
  aliases: [],
  signature: '([options])',
  summary: 'Frames a Redis message',
  doc: "Turns messages into bytes: the payload of each MessageEnd, or the body where there is no payload, as a Redis value. A string is a simple string when it is the whole message and a bulk string inside others, so that ['GET', 'key'] is a command; Data is a bulk string, Error an error, null null, a number an integer or a double, an array an array, a Map or plain object a map, a Set a set. The head's type tells apart what JavaScript does not: push, double, the null of arrays.",
  accepts: 'messages',
  emits: 'bytes',
  options,
  example: "$.encodeRESP().connect('127.0.0.1:6379').decodeRESP()",
  build: call => {
    const settings = call.options(options)
    return { name: 'encodeRESP', create: () => new EncodeRESP(settings) }
  },
}
