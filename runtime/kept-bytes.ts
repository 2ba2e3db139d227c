// Hot path: every document of traffic is kept here until its sink has it.

import { Buffer } from 'node:buffer'

const chunkBytes = 256 * 1024
/** What is larger has memory of its own: it would leave too much of a chunk unused. */
const mostShared = 32 * 1024
/** Chunks that are kept for later: what some requests to a sink hold at one time. */
const mostSpares = 32

/** Memory that copies share. */
class Chunk {
  readonly memory = Buffer.allocUnsafeSlow(chunkBytes)
  /** Where the next copy goes. */
  at = 0
  /** Copies that were not let go. */
  held = 0
}

const chunks = new WeakMap<ArrayBufferLike, Chunk>()
const spares: Chunk[] = []
let current = begin()

function begin(): Chunk {
  const spare = spares.pop()
  if (spare !== undefined) return spare
  const chunk = new Chunk()
  chunks.set(chunk.memory.buffer, chunk)
  return chunk
}

/**
 * A copy of some bytes, which nobody changes. Copies stand one behind the other in memory that they share: a piece of memory
 * for each costs more than all else that is done with a document, and the garbage collector counts it as a reason to run.
 *
 * The whole piece, some 250 KiB, stays for as long as any copy in it is held. Copies that are let go in about the order
 * in which they were made take what they have and little more; whoever holds some of many for long copies them once more.
 */
export function keepBytes(source: Uint8Array, length = source.length): Buffer {
  const bytes = length === source.length ? source : source.subarray(0, length)
  if (length > mostShared) {
    const own = Buffer.allocUnsafeSlow(length)
    own.set(bytes)
    return own
  }
  if (current.at + length > chunkBytes) {
    const full = current
    current = begin()
    if (full.held === 0) spare(full)
  }
  const chunk = current
  const start = chunk.at
  chunk.memory.set(bytes, start)
  chunk.at += length
  chunk.held++
  return chunk.memory.subarray(start, chunk.at)
}

/**
 * Says that nobody will read a copy any more, once: its memory is then used again, which spares the system giving new one and the
 * garbage collector finding the old. A copy of which that is not known for sure is not let go; the garbage collector has it.
 */
export function letGo(copy: Buffer): void {
  const chunk = chunks.get(copy.buffer)
  if (chunk !== undefined && --chunk.held === 0 && chunk !== current) spare(chunk)
}

function spare(chunk: Chunk): void {
  chunk.at = 0
  if (spares.length < mostSpares) spares.push(chunk)
}
