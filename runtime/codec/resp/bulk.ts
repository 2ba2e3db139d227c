// Hot path: a string that lies in one piece is copied once.

import { Buffer } from 'node:buffer'
import { Data } from '../../data.ts'

/** Strings up to this size get their memory at once; longer ones as their bytes come, whatever length they claim. */
const trustedBytes = 64 * 1024

/** Gathers the bytes of a string whose length is known, or of the chunks of one that is streamed. */
export class BulkReader {
  private data: Data | null = null
  /** Bytes still to come. */
  left = 0

  /** Begins a string, or goes on with the streamed one. */
  expect(size: number): void {
    this.left = size
  }

  /** Takes what there is of the bytes to come. Returns the index reached. */
  read(buffer: Buffer, start: number, end: number): number {
    const stop = Math.min(end, start + this.left)
    if (this.data === null && stop - start === this.left) {
      const copy = Buffer.allocUnsafe(stop - start)
      buffer.copy(copy, 0, start, stop)
      this.data = Data.over(copy)
    } else {
      this.data ??= withRoom(Math.min(this.left, trustedBytes))
      this.data.push(Data.over(buffer, start, stop))
    }
    this.left -= stop - start
    return stop
  }

  take(): Data {
    const data = this.data ?? new Data()
    this.data = null
    return data
  }
}

/** An empty Data that can be appended to without growing. */
function withRoom(size: number): Data {
  const data = new Data().push(Buffer.allocUnsafe(size))
  data.end = data.start
  return data
}
