import { TrafficError } from './errors.ts'
import { SharedHeap, sharedHeap } from './shared-heap.ts'

/** Numbers in one cell, and cells in one process. */
const words = 2
const cells = 4096
const cellBytes = cells * (words + 1) * BigInt64Array.BYTES_PER_ELEMENT

/** What one key has in memory that all threads of the process see. All of it is 0 at first. */
export interface SharedCell {
  /** The number at `word`. */
  get(word: 0 | 1): number
  /** Sets it when it still is what the caller has seen; tells whether it did. */
  swap(word: 0 | 1, seen: number, value: number): boolean
}

/** Reads a double as the 64 bits that it is made of, since only whole numbers can be compared and set at once. */
const scratch = new Float64Array(1)
const bits = new BigInt64Array(scratch.buffer)

const bitsOf = (value: number): bigint => {
  scratch[0] = value
  return bits[0] as bigint
}

const numberOf = (value: bigint): number => {
  bits[0] = value
  return scratch[0] as number
}

/**
 * A table of small cells in memory that the threads of a process share, found by a hash. It is a table of hashes
 * alone: with 53 bits two of 4096 keys meet once in a billion processes.
 */
export class SharedCells {
  private memory: BigInt64Array

  constructor(buffer: SharedArrayBuffer = SharedCells.allocate()) {
    this.memory = new BigInt64Array(buffer, 0, cells * (words + 1))
  }

  /** Memory for one process: that of the cells, and behind it the heap's. */
  static allocate(): SharedArrayBuffer {
    return new SharedArrayBuffer(cellBytes + SharedHeap.byteLength)
  }

  /** Takes the memory that the other threads have, for the heap as well. What was found before stays where it was. */
  attach(buffer: SharedArrayBuffer): void {
    this.memory = new BigInt64Array(buffer, 0, cells * (words + 1))
    sharedHeap.attach(buffer, cellBytes)
  }

  /**
   * The cell of a hash, a whole number other than 0.
   *
   * @throws TrafficError `Overloaded` when all cells are taken.
   */
  find(hash: number): SharedCell {
    const { memory } = this
    const wanted = BigInt(hash)
    for (let tried = 0; tried < cells; tried++) {
      const at = ((hash + tried) % cells) * (words + 1)
      const there = Atomics.compareExchange(memory, at, 0n, wanted)
      if (there === 0n || there === wanted) return cellAt(memory, at + 1)
    }
    throw new TrafficError('Overloaded', `all ${cells} keys that threads can share are in use`)
  }
}

const cellAt = (memory: BigInt64Array, at: number): SharedCell => ({
  get: word => numberOf(Atomics.load(memory, at + word)),
  swap: (word, seen, value) => {
    const before = bitsOf(seen)
    return Atomics.compareExchange(memory, at + word, before, bitsOf(value)) === before
  },
})

/** Those of this process. */
export const sharedCells = new SharedCells()
