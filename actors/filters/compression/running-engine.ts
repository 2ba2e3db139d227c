import type { Buffer } from 'node:buffer'
import { Data } from '../../../runtime/data.ts'
import { BlockedSources } from '../../../runtime/net/blocked-sources.ts'
import { type Source, turn } from '../../../runtime/turn.ts'
import type { Engine } from './codings.ts'

/** Who gets what an engine puts out. */
export interface EngineOutput {
  output(data: Data): void
}

/**
 * A body on its way through zlib, which works on threads of its own. Both sides are slowed by the other: the engine
 * pauses what feeds it, and is the source of the turns in which its output goes on.
 */
export class RunningEngine implements Source {
  private readonly engine: Engine
  private readonly receiver: EngineOutput
  private readonly check: (consumed: number, produced: number) => Error | undefined
  private readonly blocked = new BlockedSources()
  private readonly done = Promise.withResolvers<Error | undefined>()
  private consumed = 0
  private produced = 0
  private pauses = 0
  private isClosed = false

  /** @param check tells what is wrong with so many bytes out of so many in, if anything */
  constructor(
    engine: Engine,
    receiver: EngineOutput,
    check: (consumed: number, produced: number) => Error | undefined,
  ) {
    this.engine = engine
    this.receiver = receiver
    this.check = check
    engine.on('data', (bytes: Buffer) => this.put(bytes))
    engine.on('drain', () => this.blocked.release())
    engine.on('end', () => this.close(undefined))
    engine.on('error', error => this.close(error))
  }

  /** Settles when all that was written has come out, with what went wrong. */
  get finished(): Promise<Error | undefined> {
    return this.done.promise
  }

  write(data: Data): void {
    if (this.isClosed || data.size === 0) return
    this.consumed += data.size
    // What is written is read later, on another thread.
    if (!this.engine.write(data.keep().bytes())) this.blocked.block(turn.source)
  }

  /** Brings what was written so far out. */
  flush(): void {
    if (!this.isClosed) this.engine.flush()
  }

  end(): void {
    this.engine.end()
  }

  private put(bytes: Buffer): void {
    if (this.isClosed) return
    this.produced += bytes.length
    const error = this.check(this.consumed, this.produced)
    if (error !== undefined) {
      this.close(error)
      return
    }
    turn.begin(this)
    this.receiver.output(Data.over(bytes))
    turn.end()
  }

  pause(): void {
    if (this.pauses++ === 0) this.engine.pause()
  }

  resume(): void {
    if (--this.pauses === 0 && !this.isClosed) this.engine.resume()
  }

  /** Ends it now, whatever is in it. */
  close(error: Error | undefined): void {
    if (this.isClosed) return
    this.isClosed = true
    this.engine.destroy()
    this.blocked.release()
    this.done.resolve(error)
  }
}
