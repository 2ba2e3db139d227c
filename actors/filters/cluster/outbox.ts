import { every } from '../../../runtime/clock.ts'
import { BlockedSources } from '../../../runtime/net/blocked-sources.ts'
import type { Source } from '../../../runtime/turn.ts'
import type { Edge } from '../../kernel/ledger.ts'
import type { Program } from '../../program.ts'

export interface Letter {
  readonly subject: string
  readonly payload: Uint8Array
  readonly headers: Readonly<Record<string, string>> | undefined
}

/** How soon a connection that had no room is tried again: nothing tells when it has. */
const retryMs = 10
/** What a letter weighs beside its bytes. */
const flatBytes = 256

/** What one place in a script publishes in a thread, on its way to the connection. Its edge has accepted each letter. */
export class Outbox {
  readonly edge: Edge
  private readonly windowBytes: number
  private readonly program: Program
  private readonly waiting: Letter[] = []
  private waitingBytes = 0
  private readonly blocked = new BlockedSources()
  private cancelRetry: (() => void) | undefined

  constructor(edge: Edge, windowBytes: number, program: Program) {
    this.edge = edge
    this.windowBytes = windowBytes
    this.program = program
  }

  send(letter: Letter, source: Source | null): void {
    const { edge } = this
    if (this.waiting.length === 0 && this.post(letter)) {
      edge.delivered++
      return
    }
    if (edge.policy === 'drop') {
      edge.drop(this.reason)
      return
    }
    const bytes = flatBytes + letter.payload.length
    // A paused source sends no more than what it had read; what has no source cannot be paused, and has a limit here.
    const isFull = this.waiting.length > 0 && this.waitingBytes + bytes > this.windowBytes
    if (isFull && source === null) {
      edge.drop(this.reason)
      return
    }
    this.waiting.push(letter)
    this.waitingBytes += bytes
    edge.inFlight++
    this.blocked.block(source)
    this.retryLater()
  }

  private post({ subject, payload, headers }: Letter): boolean {
    const space = this.program.surroundings.subjectSpace
    return space?.subjects.publish(subject, payload, headers && { headers }) === true
  }

  /** Why a letter did not go. */
  private get reason(): string {
    return this.program.surroundings.subjectSpace?.subjects.isConnected === true ? 'window' : 'disconnected'
  }

  private retryLater(): void {
    if (this.cancelRetry !== undefined) return
    // Draining waits for what is on its way out, within its time-out.
    this.program.entered(this)
    this.cancelRetry = every(retryMs, () => this.retry())
  }

  private retry(): void {
    for (;;) {
      const letter = this.waiting[0]
      if (letter === undefined) break
      if (!this.post(letter)) return
      this.waiting.shift()
      this.waitingBytes -= flatBytes + letter.payload.length
      this.edge.inFlight--
      this.edge.delivered++
    }
    this.cancelRetry?.()
    this.cancelRetry = undefined
    this.blocked.release()
    this.program.left(this)
  }
}
