import {
  defaultLimits,
  RESPDecoder,
  type RESPHead,
  type RESPSink,
  type RESPType,
  type RESPValue,
} from '../../../runtime/codec/resp/index.ts'
import { MessageEnd, MessageStart } from '../../../runtime/event.ts'
import { count, type OptionSpecs, type Resolved, size } from '../../../runtime/options.ts'
import type { FilterDefinition } from '../definition.ts'
import { ProtocolDecoder } from './protocol-decoder.ts'

const options = {
  maxMessageSize: size(
    defaultLimits.maxMessageBytes,
    'Bytes of a value, which is held whole. Redis itself takes up to 512m; real values are far below 1m.',
  ),
  maxElements: count(
    defaultLimits.maxElements,
    'Values within a value, at any depth. The default is what Redis allows in a command.',
    1,
  ),
  maxDepth: count(
    defaultLimits.maxDepth,
    'Depth of arrays, maps and sets in one another. Replies of Redis have up to 9.',
    1,
  ),
} as const satisfies OptionSpecs

class DecodeRESP extends ProtocolDecoder implements RESPSink {
  protected readonly decoder: RESPDecoder

  constructor(settings: Resolved<typeof options>) {
    super()
    this.decoder = new RESPDecoder(this, {
      maxMessageBytes: settings.maxMessageSize,
      maxElements: settings.maxElements,
      maxDepth: settings.maxDepth,
    })
  }

  start(type: RESPType): void {
    this.next.process(new MessageStart<RESPHead>({ type }))
  }

  end(payload: RESPValue, attributes: ReadonlyMap<RESPValue, RESPValue> | undefined): void {
    this.next.process(new MessageEnd(attributes === undefined ? undefined : { attributes }, payload))
  }
}

export const decodeRESP: FilterDefinition = {
  name: 'decodeRESP',
  aliases: [],
  signature: '([options])',
  summary: 'Deframes a Redis message',
  doc: 'Turns bytes into Redis values (RESP 2 and 3), a message each: the head is { type } (array, bulk, error, push, …), the body the bytes as they came, and the payload of MessageEnd the value. Simple strings are strings, bulk strings Data, errors Error, null null, arrays arrays, maps Map, sets Set; attributes are in the tail. Bytes that are not RESP (inline commands too), and a stream that ends inside a value, end the stream with ProtocolError.',
  accepts: 'bytes',
  emits: 'messages',
  options,
  example: '$.decodeRESP().handleMessageEnd(({ payload }) => console.log(payload))',
  build: call => {
    const settings = call.options(options)
    return { name: 'decodeRESP', create: () => new DecodeRESP(settings) }
  },
}
