// Hot path: one frame for all that was gathered for a receiver. No allocation per message here beyond the frame itself.

import { Packr, RESERVE_START_SPACE } from 'msgpackr'
import type { WireMessage } from '../../actors/kernel/wire.ts'
import { isWireMessage } from '../../actors/kernel/wire-check.ts'
import { TrafficError } from '../../runtime/errors.ts'
import { packing } from '../../runtime/pool/frame.ts'
import { readPacked } from '../wire-reader.ts'
import { WireWriter } from '../wire-writer.ts'

/**
 * The wire format between threads of nodes, version 1: a byte with the version, then one msgpack array, whose first
 * element says what it is. Objects among it are written with msgpackr's records, each on its own.
 *
 * All that a thread has gathered for another is one frame. Numbers of lanes, of messages and of bytes count from the
 * beginning of the flow, so that any frame says how much went before it: what is missing is lost, what is there again
 * was taken already.
 */
export const frameVersion = 1

export const FrameKind = { messages: 0, part: 1, credit: 2, bye: 3 } as const

/** A lane in a frame: which one, to which pipeline, and the messages and bytes that went over it before this frame. */
export type LaneHeader = readonly [lane: number, pipeline: string, messages: number, bytes: number]

/** A message in a frame. */
export type FrameItem = readonly [lane: number, key: string, message: WireMessage]

/** Messages, or none: then it asks for credit. `sender` is a thread in one of its lives, `flow` what it sends to this receiver. */
export type MessagesFrame = readonly [
  kind: typeof FrameKind.messages,
  sender: string,
  flow: number,
  lanes: readonly LaneHeader[],
  items: readonly FrameItem[],
]

/** A part of one message that is larger than a frame. The parts come one after the other, and together are a packed `[key, message]`. */
export type PartFrame = readonly [
  kind: typeof FrameKind.part,
  sender: string,
  flow: number,
  lane: LaneHeader,
  part: number,
  parts: number,
  /** Of all parts together. */
  size: number,
  chunk: Uint8Array,
]

/** What became of the messages of a lane so far: all counted from the beginning, so that credit may come twice or be lost. */
export type LaneCredit = readonly [
  lane: number,
  delivered: number,
  deadLettered: number,
  lost: number,
  bytes: number,
  /** All messages before this one are settled. */
  through: number,
]

export type CreditFrame = readonly [kind: typeof FrameKind.credit, flow: number, lanes: readonly LaneCredit[]]

/** The sender has nothing on its way and will not use the flow again. */
export type ByeFrame = readonly [kind: typeof FrameKind.bye, sender: string, flow: number]

export type Frame = MessagesFrame | PartFrame | CreditFrame | ByeFrame

const packr = new Packr(packing)

/**
 * In memory that nobody uses again, since the bus may write it later: the packer goes on behind it, and takes new memory
 * when there is no more. So it is not copied, and what is packed has room for the version in front.
 */
export function encodeFrame(frame: Frame): Uint8Array {
  const bytes = packr.pack(frame, RESERVE_START_SPACE | 1)
  bytes[0] = frameVersion
  return bytes
}

/** A message on its way out. */
export interface Outgoing {
  readonly to: { readonly index: number }
  readonly sending: { readonly key: string; readonly wire: WireMessage }
}

const writer = new WireWriter()

/**
 * A `MessagesFrame` of `messages` from one place to another; the memory is nobody else's, as with `encodeFrame`, until
 * `reuseMessages`.
 */
export function encodeMessages(
  sender: string,
  flow: number,
  headers: readonly LaneHeader[],
  messages: readonly Outgoing[],
  from: number,
  to: number,
): Uint8Array {
  writer.begin(frameVersion)
  writer.array(5)
  writer.count(FrameKind.messages)
  writer.text(sender)
  writer.count(flow)
  writer.array(headers.length)
  for (const [lane, pipeline, messagesBefore, bytesBefore] of headers) {
    writer.array(4)
    writer.count(lane)
    writer.text(pipeline)
    writer.count(messagesBefore)
    writer.count(bytesBefore)
  }
  writer.array(to - from)
  for (let i = from; i < to; i++) {
    const { to: lane, sending } = messages[i] as Outgoing
    writer.array(3)
    writer.count(lane.index)
    writer.text(sending.key)
    writer.message(sending.wire)
  }
  return writer.take()
}

/**
 * The last of these frames is read by nobody any more, and the next is written over it. New memory for each, half a megabyte for some,
 * is what makes V8 look through its whole heap every few seconds.
 */
export const reuseMessages = (): void => writer.reuse()

/** @throws TrafficError `WireVersion`, or `ClusterError` when it is no frame at all */
export function decodeFrame(bytes: Uint8Array): Frame {
  if (bytes[0] !== frameVersion)
    throw new TrafficError(
      'WireVersion',
      `a frame of version ${bytes[0]} came, and this node reads version ${frameVersion}`,
    )
  let frame: unknown
  try {
    frame = readPacked(bytes)
  } catch (error) {
    throw new TrafficError('ClusterError', 'what came is no frame', error)
  }
  if (isFrame(frame)) return frame
  throw new TrafficError('ClusterError', 'what came is no frame')
}

/** Whoever may write to the bus may write anything: what a frame says is counted with, and names subjects. */
function isFrame(frame: unknown): frame is Frame {
  if (!Array.isArray(frame)) return false
  switch (frame[0]) {
    case FrameKind.messages:
      return isFlow(frame[1], frame[2]) && isListOf(frame[3], isHeader) && isListOf(frame[4], isItem)
    case FrameKind.part: {
      const [, sender, flow, header, part, parts, size, chunk] = frame
      return (
        isFlow(sender, flow) &&
        isHeader(header) &&
        [part, parts, size].every(isCount) &&
        chunk instanceof Uint8Array
      )
    }
    case FrameKind.credit:
      return isCount(frame[1]) && isListOf(frame[2], isCredit)
    case FrameKind.bye:
      return isFlow(frame[1], frame[2])
  }
  return false
}

/** More lanes than the edges that any script has. */
const mostLanes = 65_536

/** Far from where numbers stop to be counted one by one. */
const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0

const isLane = (value: unknown): boolean => isCount(value) && (value as number) < mostLanes

/** A sender is a token of the subject at which it is answered. */
const isFlow = (sender: unknown, flow: unknown): boolean =>
  typeof sender === 'string' && /^[\w-]{1,64}$/.test(sender) && isCount(flow)

const isListOf = (value: unknown, isOne: (each: unknown) => boolean): boolean =>
  Array.isArray(value) && value.every(isOne)

const isHeader = (value: unknown): boolean =>
  Array.isArray(value) &&
  isLane(value[0]) &&
  typeof value[1] === 'string' &&
  isCount(value[2]) &&
  isCount(value[3])

const isItem = (value: unknown): boolean =>
  Array.isArray(value) && isLane(value[0]) && typeof value[1] === 'string' && isWireMessage(value[2])

const isCredit = (value: unknown): boolean =>
  Array.isArray(value) && value.length >= 6 && isLane(value[0]) && value.slice(1, 6).every(isCount)

/** A single message for travelling in parts. */
export const packMessage = (key: string, message: WireMessage): Uint8Array =>
  new Uint8Array(packr.pack([key, message]))

/** @throws TrafficError `ClusterError` */
export function unpackMessage(bytes: Uint8Array): readonly [key: string, message: WireMessage] {
  let value: unknown
  try {
    value = packr.unpack(bytes)
  } catch (error) {
    throw new TrafficError('ClusterError', 'the parts of a message do not make one', error)
  }
  if (Array.isArray(value) && typeof value[0] === 'string' && isWireMessage(value[1]))
    return value as unknown as readonly [string, WireMessage]
  throw new TrafficError('ClusterError', 'the parts of a message do not make one')
}
