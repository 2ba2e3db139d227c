import { Buffer } from 'node:buffer'
import { Packr } from 'msgpackr'
import { TrafficError } from '../../runtime/errors.ts'

/** Version of this format: first byte of each letter. */
export const letterVersion = 1

/**
 * Items with numbers from `first` on, and how many of the other side's have come. Each end of a link has a number, so that
 * one that forgot the other and began anew is told from one that goes on.
 */
export type Letter = readonly [
  from: string,
  link: number,
  first: number,
  items: readonly unknown[],
  /** The other end's number as it is known here, 0 when it is not. */
  otherLink: number,
  taken: number,
]

const packr = new Packr({ useRecords: true, moreTypes: false, encodeUndefinedAsNil: false })

export function encodeLetter(letter: Letter): Uint8Array {
  return Buffer.concat([Uint8Array.of(letterVersion), packr.pack(letter)])
}

/** @throws TrafficError `WireVersion` or `ClusterError` */
export function decodeLetter(bytes: Uint8Array): Letter {
  if (bytes[0] !== letterVersion)
    throw new TrafficError(
      'WireVersion',
      `a letter of version ${bytes[0]} came, and this node reads ${letterVersion}`,
    )
  let letter: unknown
  try {
    letter = packr.unpack(bytes.subarray(1))
  } catch (error) {
    throw new TrafficError('ClusterError', 'what came is no letter', error)
  }
  if (isLetter(letter)) return letter
  throw new TrafficError('ClusterError', 'what came is no letter')
}

/** Whoever may write to the bus may write anything: a letter's numbers are counted with, and its items are told apart by names. */
function isLetter(value: unknown): value is Letter {
  if (!Array.isArray(value)) return false
  const [from, link, first, items, otherLink, taken] = value
  return (
    typeof from === 'string' &&
    /^[\w-]{1,128}\.\d{1,16}\.\d{1,16}$/.test(from) &&
    [link, first, otherLink, taken].every(isCount) &&
    link > 0 &&
    Array.isArray(items) &&
    items.every(item => Array.isArray(item) && typeof item[0] === 'string')
  )
}

const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0

/** More than this without a word from the other side, and nothing more is taken. */
const maxUntaken = 4096
/** Items in one letter: they are small. */
const perLetter = 256

/**
 * One end of the way to one thread of another node, over a bus that may lose, repeat and delay: items are numbered, kept
 * until the other side says that it has them, and sent again when it does not; what comes twice, or too early, is left
 * out. Both ends forget each other when one of them is gone.
 */
export class ReliableLink {
  private readonly number: number
  private readonly post: (letter: Letter) => void
  private readonly from: string
  private readonly take: (item: readonly unknown[]) => void
  private untaken: unknown[] = []
  /** Number of the first of them. */
  private first = 0
  /** How many of them have been sent at least once. */
  private sent = 0
  /** Number of the first that was never sent: the other side cannot have taken it. */
  private unsent = 0
  private otherNumber = 0
  /** Items of the other side that have come. */
  private taken = 0
  private owesAnswer = false

  /** @param number higher than that of any earlier link of this thread */
  constructor(
    from: string,
    number: number,
    post: (letter: Letter) => void,
    take: (item: readonly unknown[]) => void,
  ) {
    this.from = from
    this.number = number
    this.post = post
    this.take = take
  }

  send(item: unknown): boolean {
    if (this.untaken.length >= maxUntaken) return false
    this.untaken.push(item)
    return true
  }

  /** Sends what is new, and the answer that is owed. */
  flush(): void {
    if (this.sent === this.untaken.length && !this.owesAnswer) return
    this.owesAnswer = false
    do {
      const items = this.untaken.slice(this.sent, this.sent + perLetter)
      this.post([this.from, this.number, this.first + this.sent, items, this.otherNumber, this.taken])
      this.sent += items.length
      this.unsent = Math.max(this.unsent, this.first + this.sent)
    } while (this.sent < this.untaken.length)
  }

  /** The other side has been silent: all that it has not taken is sent again. */
  repeat(): void {
    if (this.untaken.length === 0) return
    this.sent = 0
    this.flush()
  }

  /** False when the other end is another than before: this one is of no use any more. */
  receive([, number, first, items, ownNumber, taken]: Letter): boolean {
    if (this.otherNumber !== 0 && number !== this.otherNumber) return number < this.otherNumber
    this.otherNumber = number
    const newly = ownNumber === this.number && taken <= this.unsent ? taken - this.first : 0
    if (newly > 0) {
      this.untaken = this.untaken.slice(newly)
      this.first += newly
      this.sent = Math.max(0, this.sent - newly)
    }
    if (items.length === 0) return true
    this.owesAnswer = true
    // When one is missing before, the other side sends all again.
    if (first > this.taken) return true
    for (const item of items.slice(this.taken - first)) {
      this.taken++
      this.take(item as readonly unknown[])
    }
    return true
  }
}
