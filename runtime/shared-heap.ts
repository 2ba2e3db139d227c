import { Buffer } from 'node:buffer'
import { TrafficError } from './errors.ts'

/** Only what is written to is taken from the system, but V8 counts all of it when it plans its garbage collection. */
const heapBytes = 16 * 1024 * 1024

/** Words at the beginning: the lock, where the part that was never used begins, free blocks by size, and the buckets. */
const lockWord = 0
const brkWord = 1
const freeWord = 2
const sizes = 27
const bucketsWord = freeWord + sizes
const buckets = 16_384
const firstBlock = (bucketsWord + buckets) * 4

/** Words of a block: the next one in its bucket (or of its size, when it is free), and what it holds. */
const nextAt = 0
const hashAt = 1
const sizeAt = 2
const keyAt = 3
const valueAt = 4
const headerBytes = 5 * 4

/** Nobody works in here for longer than some microseconds: who waits for so long waits for a thread that has died. */
const brokenLockMs = 1_000

/**
 * Keys with their values, as bytes, in memory that the threads of a process share. One thread at a time works in it;
 * the others wait, which takes microseconds.
 *
 *     lock │ brk │ free blocks by size │ buckets: first block of each │ block: next hash size key value …
 */
export class SharedHeap {
  /** Bytes that one needs. */
  static readonly byteLength = heapBytes

  private words: Int32Array = new Int32Array()
  private bytes: Uint8Array = new Uint8Array()

  /** Takes the memory that the other threads have; what was in the own is left behind. */
  attach(memory: SharedArrayBuffer, offset: number): void {
    this.words = new Int32Array(memory, offset)
    this.bytes = new Uint8Array(memory, offset)
  }

  /** A copy of the value of a key. */
  get(key: Buffer): Uint8Array | undefined {
    return this.locked(() => {
      const block = this.find(key, hashOf(key))
      return block === 0 ? undefined : this.bytes.slice(this.valueOf(block), this.endOf(block))
    })
  }

  has(key: Buffer): boolean {
    return this.locked(() => this.find(key, hashOf(key)) !== 0)
  }

  /** @throws TrafficError `Overloaded` when the memory is full. */
  set(key: Buffer, value: Uint8Array): void {
    const hash = hashOf(key)
    this.locked(() => {
      const block = this.allocate(headerBytes + key.length + value.length)
      const old = this.find(key, hash)
      if (old !== 0) this.unlink(old)
      const { words, bytes } = this
      const at = block >> 2
      words[at + hashAt] = hash
      words[at + keyAt] = key.length
      words[at + valueAt] = value.length
      bytes.set(key, block + headerBytes)
      bytes.set(value, block + headerBytes + key.length)
      const bucket = bucketOf(hash)
      words[at + nextAt] = words[bucket] as number
      words[bucket] = block
    })
  }

  /** Tells whether it was there. */
  delete(key: Buffer): boolean {
    return this.locked(() => {
      const block = this.find(key, hashOf(key))
      if (block !== 0) this.unlink(block)
      return block !== 0
    })
  }

  /** All keys that begin so. It looks at everything there is. */
  keys(prefix: Buffer): Buffer[] {
    return this.locked(() => this.blocks(prefix).map(block => this.keyOf(block)))
  }

  clear(prefix: Buffer): void {
    this.locked(() => {
      for (const block of this.blocks(prefix)) this.unlink(block)
    })
  }

  private blocks(prefix: Buffer): number[] {
    const found: number[] = []
    for (let bucket = bucketsWord; bucket < bucketsWord + buckets; bucket++)
      for (let block = this.word(bucket); block !== 0; block = this.word((block >> 2) + nextAt))
        if (this.keyOf(block).subarray(0, prefix.length).equals(prefix)) found.push(block)
    return found
  }

  private word(at: number): number {
    return this.words[at] as number
  }

  private valueOf(block: number): number {
    return block + headerBytes + this.word((block >> 2) + keyAt)
  }

  private endOf(block: number): number {
    return this.valueOf(block) + this.word((block >> 2) + valueAt)
  }

  private keyOf(block: number): Buffer {
    return Buffer.from(this.bytes.subarray(block + headerBytes, this.valueOf(block)))
  }

  private find(key: Buffer, hash: number): number {
    let block = this.word(bucketOf(hash))
    while (block !== 0) {
      if (this.word((block >> 2) + hashAt) === hash && this.holds(block, key)) return block
      block = this.word((block >> 2) + nextAt)
    }
    return 0
  }

  private holds(block: number, key: Buffer): boolean {
    if (this.word((block >> 2) + keyAt) !== key.length) return false
    const { bytes } = this
    const start = block + headerBytes
    for (let i = 0; i < key.length; i++) if (bytes[start + i] !== key[i]) return false
    return true
  }

  /** Takes a block out of its bucket, and keeps it for others of its size. */
  private unlink(block: number): void {
    const { words } = this
    const next = this.word((block >> 2) + nextAt)
    let at = bucketOf(this.word((block >> 2) + hashAt))
    while (this.word(at) !== block) at = (this.word(at) >> 2) + nextAt
    words[at] = next
    const free = freeWord + this.word((block >> 2) + sizeAt)
    words[(block >> 2) + nextAt] = words[free] as number
    words[free] = block
  }

  /** A block of the next power of two. */
  private allocate(bytes: number): number {
    const { words } = this
    const size = 32 - Math.clz32(bytes - 1)
    const known = size < sizes ? this.word(freeWord + size) : 0
    if (known !== 0) {
      words[freeWord + size] = words[(known >> 2) + nextAt] as number
      return known
    }
    const block = this.word(brkWord) || firstBlock
    const end = block + 2 ** size
    if (size >= sizes || end > this.bytes.length)
      throw new TrafficError(
        'Overloaded',
        `what threads share is full: there are ${heapBytes / 1024 / 1024} MiB, and ${bytes} bytes more do not fit`,
      )
    words[brkWord] = end
    words[(block >> 2) + sizeAt] = size
    return block
  }

  private locked<T>(work: () => T): T {
    // A thread that was given none, as in a test, has one of its own.
    if (this.words.length === 0) this.attach(new SharedArrayBuffer(heapBytes), 0)
    const { words } = this
    while (Atomics.compareExchange(words, lockWord, 0, 1) !== 0)
      if (Atomics.wait(words, lockWord, 1, brokenLockMs) === 'timed-out') break
    try {
      return work()
    } finally {
      Atomics.store(words, lockWord, 0)
      Atomics.notify(words, lockWord, 1)
    }
  }
}

const bucketOf = (hash: number): number => bucketsWord + (hash & (buckets - 1))

/** FNV-1a. */
function hashOf(key: Buffer): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ (key[i] as number), 0x01000193)
  return hash
}

/** The one of this process. */
export const sharedHeap = new SharedHeap()
