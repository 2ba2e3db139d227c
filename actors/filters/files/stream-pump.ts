import type { Buffer } from 'node:buffer'
import type { Readable, Writable } from 'node:stream'
import { Data } from '../../../runtime/data.ts'
import { BlockedSources } from '../../../runtime/net/blocked-sources.ts'
import { type Source, turn } from '../../../runtime/turn.ts'
import type { Filter } from '../../filter.ts'

/** What a file or a process gives, put out by a filter; paused by what that is sent to. */
export class ReadPump implements Source {
  private readonly readable: Readable
  private pauses = 0

  constructor(readable: Readable, filter: Filter) {
    this.readable = readable
    readable.on('data', (bytes: Buffer) => {
      turn.begin(this)
      if (!filter.pipeline.isStopped) filter.pipeline.deliver(filter.next, Data.over(bytes), null)
      turn.end()
    })
  }

  pause(): void {
    if (this.pauses++ === 0) this.readable.pause()
  }

  resume(): void {
    if (--this.pauses === 0) this.readable.resume()
  }
}

/** What is written to a file or a process; pauses what that comes from when it is slow. */
export class WritePump {
  private readonly writable: Writable
  private readonly blocked = new BlockedSources()

  constructor(writable: Writable) {
    this.writable = writable
    writable.on('drain', () => this.blocked.release())
    writable.on('close', () => this.blocked.release())
  }

  /** Bytes that are not written yet. */
  get queuedBytes(): number {
    return this.writable.writableLength
  }

  write(data: Data): void {
    if (data.size === 0 || !this.writable.writable) return
    if (!this.writable.write(data.keep().bytes())) this.blocked.block(turn.source)
  }

  end(): void {
    this.writable.end()
  }

  /** Nobody waits for it any more. */
  release(): void {
    this.blocked.release()
  }
}
