// Hot path: every read and write of the fast transport asks for a view.

import type { Buffer } from 'node:buffer'

const maxViewBytes = 4096

/**
 * Views of the first n bytes of a buffer, made once for each n up to 4 KiB: making one takes 35 ns, and most reads and
 * writes are small and begin at the start.
 */
export class BufferViews {
  readonly buffer: Buffer
  private readonly views: (Buffer | undefined)[] = new Array(maxViewBytes + 1).fill(undefined)

  constructor(buffer: Buffer) {
    this.buffer = buffer
  }

  upTo(end: number): Buffer {
    if (end > maxViewBytes) return this.buffer.subarray(0, end)
    let view = this.views[end]
    if (view === undefined) {
      view = this.buffer.subarray(0, end)
      this.views[end] = view
    }
    return view
  }
}
