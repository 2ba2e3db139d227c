import { Buffer } from 'node:buffer'
import { deserialize, serialize } from 'node:v8'
import { TrafficError } from '../../errors.ts'
import { show } from '../../options.ts'
import { sharedHeap } from '../../shared-heap.ts'

/**
 * A map that all threads of this process see: every one with the same name is the same. Keys are text; values are
 * copied in and out, so that a change counts when it is set again. All maps together hold up to 16 MiB.
 *
 * Single calls are atomic, a `get` and a `set` after it are not: for counting use `algo.Quota` with a key, or `stats`.
 *
 * @example
 *   const unhealthy = new algo.SharedMap('unhealthy')
 *   unhealthy.set('10.0.0.1:80', Date.now())
 */
export class SharedMap<T = unknown> {
  readonly name: string
  /** In front of its keys. The length comes first, so that no name begins as another one with its keys does. */
  private readonly prefix: Buffer

  /** @throws TrafficError `BadOption`. */
  constructor(name: string) {
    if (typeof name !== 'string')
      throw new TrafficError('BadOption', `SharedMap wants a name, and got ${show(name)}`)
    this.name = name
    const text = Buffer.from(name)
    this.prefix = Buffer.concat([Buffer.from(`${text.length}:`), text])
  }

  /** How many keys there are; it looks at all of them. */
  get size(): number {
    return sharedHeap.keys(this.prefix).length
  }

  has(key: string): boolean {
    return sharedHeap.has(this.full(key))
  }

  /** A copy of the value; undefined when there is none. */
  get(key: string): T | undefined {
    const bytes = sharedHeap.get(this.full(key))
    return bytes === undefined ? undefined : (deserialize(bytes) as T)
  }

  /** @throws TrafficError `Overloaded` when the memory is full, `RuntimeError` for what cannot be copied, like a function. */
  set(key: string, value: T): this {
    sharedHeap.set(this.full(key), bytesOf(value))
    return this
  }

  /** Tells whether it was there. */
  delete(key: string): boolean {
    return sharedHeap.delete(this.full(key))
  }

  clear(): void {
    sharedHeap.clear(this.prefix)
  }

  /** All keys there are now, in no order. */
  keys(): string[] {
    return sharedHeap.keys(this.prefix).map(key => key.subarray(this.prefix.length).toString())
  }

  private full(key: string): Buffer {
    return Buffer.concat([this.prefix, Buffer.from(String(key))])
  }
}

function bytesOf(value: unknown): Buffer {
  try {
    return serialize(value)
  } catch (thrown) {
    throw new TrafficError(
      'RuntimeError',
      `SharedMap cannot copy ${show(value)} to other threads: ${(thrown as Error).message}`,
      thrown,
    )
  }
}
