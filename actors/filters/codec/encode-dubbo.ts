import { DubboEncoder, type DubboHeadLike, defaultMaxBodyBytes } from '../../../runtime/codec/dubbo/index.ts'
import { Data, type Head } from '../../../runtime/event.ts'
import { type OptionSpecs, size } from '../../../runtime/options.ts'
import type { Context } from '../../context.ts'
import type { FilterCall, FilterDefinition } from '../definition.ts'
import { WholeBodyEncoder } from './whole-body-encoder.ts'

const options = {
  maxBodySize: size(
    defaultMaxBodyBytes,
    'Bytes that the body of a message may have; it is held until it is whole, since its length goes first. A longer one ends the stream with BufferOverflow. The default is that of Dubbo itself (payload).',
  ),
} as const satisfies OptionSpecs

type HeadOverride = object | ((ctx: Context) => unknown) | undefined

class EncodeDubbo extends WholeBodyEncoder {
  private readonly encoder = new DubboEncoder()
  private readonly override: HeadOverride

  constructor(override: HeadOverride, maxBodySize: number) {
    super({ bytes: maxBodySize, option: 'maxBodySize', owner: 'a Dubbo message' })
    this.override = override
  }

  protected encode(head: Head, body: Data | null): void {
    const bytes = this.encoder.encodeHead(this.headOf(head), body?.size ?? 0)
    this.next.process(Data.over(bytes))
    if (body !== null) this.next.process(body)
  }

  private headOf(own: Head): DubboHeadLike {
    const { override } = this
    const given = typeof override === 'function' ? override(this.pipeline.context) : override
    return typeof given === 'object' && given !== null ? given : own
  }
}

/** A head, or a callback that gives one, in the place of each message's own. A single object may be the options. */
const takeOverride = (call: FilterCall): HeadOverride => {
  const given = call.peek()
  const isOptions = typeof given === 'object' && given !== null && 'maxBodySize' in given
  if (isOptions && call.remaining < 2) return undefined
  // What is neither is left for the check of the options, which says so.
  if (typeof given !== 'object' && typeof given !== 'function' && given !== undefined) return undefined
  return (call.take() ?? undefined) as HeadOverride
}

export const encodeDubbo: FilterDefinition = {
  name: 'encodeDubbo',
  aliases: [],
  signature: '([head[, options]])',
  summary: 'Frames a Dubbo message',
  doc: "Turns messages into bytes. Of the head it takes { requestID (or id), isRequest, isTwoWay, isEvent, serializationType, status }; what is missing is a two-way request in Hessian 2 with the next id in line, or an answer with status 20 (OK). A head given here, or a callback that gives one, takes the place of each message's own.",
  accepts: 'messages',
  emits: 'bytes',
  options,
  example: "$.encodeDubbo().connect('127.0.0.1:20880').decodeDubbo()",
  build: call => {
    const override = takeOverride(call)
    const { maxBodySize } = call.options(options)
    return { name: 'encodeDubbo', create: () => new EncodeDubbo(override, maxBodySize) }
  },
}
