import type { Buffer } from 'node:buffer'
import { TrafficError } from '../../errors.ts'

/** Bytes before the body: magic (2), flags (1), status (1), id (8), length of the body (4), all big-endian. */
export const headBytes = 16

/** The first two bytes of a message. */
export const magic = [0xda, 0xbb] as const

const requestFlag = 0x80
const twoWayFlag = 0x40
const eventFlag = 0x20
const serializationMask = 0x1f

/** Serialization of nearly all Dubbo traffic, and of a message that does not say. */
export const hessian2 = 2

/** Status of an answer without an error, and of one that does not say. */
export const statusOK = 20

/** What a script may give as the head of a message. */
export interface DubboHeadLike {
  /** A number, or a bigint or decimal text where 2^53 is not enough. Missing: one more than the last. */
  readonly requestID?: number | bigint | string | undefined
  /** The name that Pipy had for `requestID` before its last generation. */
  readonly id?: number | bigint | string | undefined
  /** Default: true. */
  readonly isRequest?: boolean | undefined
  /** Whether an answer is wanted. Default: true for a request. */
  readonly isTwoWay?: boolean | undefined
  /** A heartbeat, or another message about the connection. Default: false. */
  readonly isEvent?: boolean | undefined
  /** 0 to 31; default: 2, which is Hessian 2. */
  readonly serializationType?: number | undefined
  /** 20 is OK. Default: 0 for a request, 20 for an answer. */
  readonly status?: number | undefined
}

/** Head of a message as it was received. */
export class DubboHead {
  /** A bigint from 2^53 on, where numbers lose digits. */
  requestID: number | bigint
  isRequest: boolean
  /** Whether an answer is wanted. */
  isTwoWay: boolean
  /** A heartbeat, or another message about the connection. */
  isEvent: boolean
  /** How the body is written, 0 to 31: 2 is Hessian 2. */
  serializationType: number
  /** Of an answer: 20 is OK. */
  status: number

  constructor(requestID: number | bigint, flags: number, status: number) {
    this.requestID = requestID
    this.isRequest = (flags & requestFlag) !== 0
    this.isTwoWay = (flags & twoWayFlag) !== 0
    this.isEvent = (flags & eventFlag) !== 0
    this.serializationType = flags & serializationMask
    this.status = status
  }

  /** The same as `requestID`, as text: what Pipy gave before its last generation. */
  get id(): string {
    return String(this.requestID)
  }

  set id(value: number | bigint | string) {
    this.requestID = requestIDOf(value)
  }

  clone(): DubboHead {
    return Object.assign(new DubboHead(0, 0, 0), this)
  }
}

/** Reads the head in the first 16 bytes from `at` on, whose magic has been checked. */
export function readHead(buffer: Buffer, at: number): DubboHead {
  const high = buffer.readInt32BE(at + 4)
  const low = buffer.readUInt32BE(at + 8)
  const isSafe = high >= -0x20_0000 && high < 0x20_0000 && !(high === -0x20_0000 && low === 0)
  const requestID = isSafe ? high * 0x1_0000_0000 + low : buffer.readBigInt64BE(at + 4)
  return new DubboHead(requestID, buffer[at + 2] as number, buffer[at + 3] as number)
}

/** Writes a head. `nextID` is the id of a message that has none. */
export function writeHead(
  buffer: Buffer,
  head: DubboHeadLike,
  bodySize: number,
  nextID: number | bigint,
): void {
  const isRequest = head.isRequest ?? true
  const isTwoWay = head.isTwoWay ?? isRequest
  const serialization = head.serializationType ?? hessian2
  const status = head.status ?? (isRequest ? 0 : statusOK)
  buffer[0] = magic[0]
  buffer[1] = magic[1]
  buffer[2] =
    (isRequest ? requestFlag : 0) |
    (isTwoWay ? twoWayFlag : 0) |
    (head.isEvent ? eventFlag : 0) |
    inRange('serializationType', serialization, serializationMask)
  buffer[3] = inRange('status', status, 0xff)
  writeID(buffer, requestIDOf(head.requestID ?? head.id ?? nextID))
  buffer.writeUInt32BE(bodySize, 12)
}

function writeID(buffer: Buffer, id: number | bigint): void {
  if (typeof id === 'bigint') {
    buffer.writeBigInt64BE(id, 4)
  } else {
    buffer.writeInt32BE(Math.floor(id / 0x1_0000_0000), 4)
    buffer.writeUInt32BE(id >>> 0, 8)
  }
}

function inRange(name: string, value: unknown, max: number): number {
  const number = Number(value)
  if (!Number.isInteger(number) || number < 0 || number > max)
    throw new TrafficError('RuntimeError', `${name} of a Dubbo head is ${String(value)}, not 0 to ${max}`)
  return number
}

/**
 * The id as a number where it fits, else as a bigint.
 *
 * @throws TrafficError `RuntimeError` on what is no whole number of 64 bits.
 */
function requestIDOf(value: unknown): number | bigint {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return value
  if (typeof value === 'bigint' || (typeof value === 'string' && /^[+-]?\d{1,20}$/.test(value))) {
    const big = BigInt(value)
    if (BigInt.asIntN(64, big) === big) return Number.isSafeInteger(Number(big)) ? Number(big) : big
  }
  throw new TrafficError(
    'RuntimeError',
    `requestID of a Dubbo head is ${String(value)}, not a whole number of 64 bits`,
  )
}
