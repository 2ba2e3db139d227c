import {
  DubboDecoder,
  type DubboHead,
  type DubboSink,
  defaultMaxBodyBytes,
} from '../../../runtime/codec/dubbo/index.ts'
import { MessageStart, messageEnd } from '../../../runtime/event.ts'
import { type OptionSpecs, size } from '../../../runtime/options.ts'
import type { FilterDefinition } from '../definition.ts'
import { ProtocolDecoder } from './protocol-decoder.ts'

const options = {
  maxBodySize: size(
    defaultMaxBodyBytes,
    'Bytes that the body of a message may have; a longer one ends the stream with ProtocolError. The default is that of Dubbo itself (payload).',
  ),
} as const satisfies OptionSpecs

class DecodeDubbo extends ProtocolDecoder implements DubboSink {
  protected readonly decoder: DubboDecoder

  constructor(maxBodySize: number) {
    super()
    this.decoder = new DubboDecoder(this, maxBodySize)
  }

  head(head: DubboHead): void {
    this.next.process(new MessageStart(head))
  }

  end(): void {
    this.next.process(messageEnd)
  }
}

export const decodeDubbo: FilterDefinition = {
  name: 'decodeDubbo',
  aliases: [],
  signature: '([options])',
  summary: 'Deframes a Dubbo message',
  doc: 'Turns bytes into Dubbo messages: heads { requestID, isRequest, isTwoWay, isEvent, serializationType, status } as MessageStart, where `id` is the requestID as text, and bodies as Data, which Hessian.decode reads. Bytes that are not Dubbo, and a stream that ends inside a message, end the stream with ProtocolError.',
  accepts: 'bytes',
  emits: 'messages',
  options,
  example: '$.decodeDubbo().handleMessage(msg => console.log(msg.head.id, Hessian.decode(msg.body)))',
  build: call => {
    const { maxBodySize } = call.options(options)
    return { name: 'decodeDubbo', create: () => new DecodeDubbo(maxBodySize) }
  },
}
