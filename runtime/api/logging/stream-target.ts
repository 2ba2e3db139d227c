import type { Writable } from 'node:stream'
import { after } from '../../clock.ts'
import { defaultBufferLimit, type LogTarget, Tally } from './target.ts'

/** Lines to a stream, as stdout and stderr are; those of one turn go as one write. */
export class StreamTarget implements LogTarget {
  private readonly stream: Writable
  private readonly tally: Tally
  private lines: Buffer[] = []
  private bytes = 0

  constructor(stream: Writable, name: string) {
    this.stream = stream
    this.tally = new Tally(name)
  }

  write(record: Buffer): void {
    if (this.bytes + this.stream.writableLength + record.length > defaultBufferLimit) {
      this.tally.drop(1, 'overflow')
      return
    }
    if (this.lines.push(record, newline) === 2) queueMicrotask(() => this.send())
    this.bytes += record.length + 1
  }

  private send(): void {
    const { lines } = this
    if (lines.length === 0) return
    this.stream.write(Buffer.concat(lines, this.bytes))
    this.tally.wrote(lines.length / 2)
    this.lines = []
    this.bytes = 0
  }

  flush(limitMs: number): Promise<void> {
    this.send()
    const { promise, resolve } = Promise.withResolvers<void>()
    const cancel = after(limitMs, resolve)
    this.stream.write('', () => resolve())
    return promise.finally(cancel)
  }
}

export const newline = Buffer.from('\n')
