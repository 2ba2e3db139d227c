import {
  defaultLimits,
  encodeRESP as encodeValue,
  type RESPHead,
  type RESPValue,
} from '../../../runtime/codec/resp/index.ts'
import { Data, type MessageEnd } from '../../../runtime/event.ts'
import { type OptionSpecs, optional, type Resolved, size } from '../../../runtime/options.ts'
import type { FilterDefinition } from '../definition.ts'
import { WholeBodyEncoder } from './whole-body-encoder.ts'

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

class EncodeRESP extends WholeBodyEncoder {
  private readonly version: 2 | 3 | undefined

  constructor({ version, maxMessageSize }: Resolved<typeof options>) {
    super({ bytes: maxMessageSize, option: 'maxMessageSize', owner: 'a Redis message' })
    this.version = version
  }

  protected encode(head: RESPHead, body: Data | null, end: MessageEnd): void {
    const value = end.payload === undefined ? body : (end.payload as RESPValue)
    const tail = end.tail as { attributes?: unknown } | undefined
    const attributes = tail?.attributes instanceof Map ? tail.attributes : undefined
    const bytes = encodeValue(value, { type: head.type, version: this.version, attributes })
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
