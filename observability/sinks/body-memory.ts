// Hot path of sinks: each request is put together in memory from here.

import { Buffer } from 'node:buffer'

/** Bodies that are put together or packed at one time. */
const mostSpares = 4
const leastBytes = 64 * 1024
/** Larger memory goes back to the system. */
const mostBytes = 16 * 1024 * 1024

/** Largest first. */
const spares: Buffer[] = []
/** What came from here. */
const ours = new WeakSet<ArrayBufferLike>()

/**
 * Memory for a body of at most so many bytes. Each body in new memory made the garbage collector run for every 60 MB of
 * documents, for that alone.
 */
export function bodyMemory(bytes: number): Buffer {
  for (let i = spares.length - 1; i >= 0; i--)
    if ((spares[i] as Buffer).length >= bytes) return spares.splice(i, 1)[0] as Buffer
  const memory = Buffer.allocUnsafeSlow(2 ** Math.ceil(Math.log2(Math.max(bytes, leastBytes))))
  ours.add(memory.buffer)
  return memory
}

/** Takes the memory of a body that nobody reads any more, for the next. One from elsewhere is left alone. */
export function giveBack(body: Buffer): void {
  const { buffer } = body
  if (buffer.byteLength > mostBytes || !ours.has(buffer)) return
  spares.push(Buffer.from(buffer))
  spares.sort((a, b) => b.length - a.length)
  if (spares.length > mostSpares) spares.pop()
}
