import type { Buffer } from 'node:buffer'
import {
  DubboDecoder,
  type DubboHead,
  type DubboSink,
  defaultMaxBodyBytes,
  type Violation,
} from '../../../runtime/codec/dubbo/index.ts'
import { TrafficError } from '../../../runtime/errors.ts'
import { Data, type Event, MessageStart, messageEnd, StreamEnd } from '../../../runtime/event.ts'
import { type OptionSpecs, size } from '../../../runtime/options.ts'
import { Filter } from '../../filter.ts'
import type { FilterDefinition } from '../definition.ts'

const options = {
  maxBodySize: size(
    defaultMaxBodyBytes,
    'Bytes that the body of a message may have; a longer one ends the stream with ProtocolError. The default is that of Dubbo itself (payload).',
  ),
} as const satisfies OptionSpecs

class DecodeDubbo extends Filter implements DubboSink {
  private readonly decoder: DubboDecoder
  private hasFailed = false

  constructor(maxBodySize: number) {
    super()
    this.decoder = new DubboDecoder(this, maxBodySize)
  }

  process(event: Event): void {
    if (this.hasFailed) return
    if (event.kind === 0) {
      this.decoder.decode(event.buffer, event.start, event.end)
    } else if (event.kind === 3) {
      if (event.error === '') this.decoder.finish()
      if (!this.hasFailed) this.next.process(event)
    }
  }

  head(head: DubboHead): void {
    this.next.process(new MessageStart(head))
  }

  body(buffer: Buffer, start: number, end: number): void {
    this.next.process(Data.borrow(buffer, start, end))
  }

  end(): void {
    this.next.process(messageEnd)
  }

  violation(violation: Violation): void {
    this.hasFailed = true
    this.next.process(new StreamEnd(new TrafficError('ProtocolError', violation.reason)))
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
