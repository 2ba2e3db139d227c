// Hot path: `touch` runs with every write to a client.

import { Deadline } from '../clock.ts'
import type { Connection } from './transport.ts'

/**
 * Fires when a connection has taken nothing for so long of what waits to be sent. Writing more does not put it off,
 * or a peer that stopped reading could be written to for ever; only that something was taken does.
 */
export class WriteDeadline {
  private readonly connection: Connection
  private readonly deadline: Deadline
  private readonly expired: () => void
  private isArmed = false
  /** Bytes sent when it was armed. */
  private sentBytes = 0

  constructor(connection: Connection, ms: number, expired: () => void) {
    this.connection = connection
    this.expired = expired
    this.deadline = new Deadline(ms, () => this.check())
  }

  /** Something has been written. */
  touch(): void {
    const { sentBytes } = this.connection
    if (this.isArmed && sentBytes === this.sentBytes) return
    this.isArmed = true
    this.sentBytes = sentBytes
    this.deadline.touch()
  }

  /** Everything has been taken, or it does not matter any more. */
  clear(): void {
    this.isArmed = false
    this.deadline.clear()
  }

  private check(): void {
    const { connection } = this
    const hasMoved = connection.sentBytes !== this.sentBytes
    this.isArmed = false
    if (connection.queuedBytes === 0) return
    if (hasMoved) this.touch()
    else this.expired()
  }
}
