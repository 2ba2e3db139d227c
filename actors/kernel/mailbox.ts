// Hot path where an actor is busy: three array stores per message, no object per message.

import type { Edge } from './ledger.ts'

/** What can be given a message: a filter, an actor's behaviour. */
export interface Port {
  process(message: never): void
}

/** Bytes that a message keeps alive: those of Data, and a flat guess for everything else. */
export function weigh(message: unknown): number {
  const data = message as { kind?: number; start: number; end: number }
  return data !== null && typeof data === 'object' && data.kind === 0 ? 64 + data.end - data.start : 64
}

const initialSlots = 16

/**
 * A ring of (port, message, edge), counted in messages and bytes.
 *
 *      head           tail
 *       ▼              ▼
 *     │ m │ m │ m │ m │   │   │      grows by doubling, slots are a power of two
 */
export class Mailbox {
  bytes = 0
  count = 0
  private head = 0
  private ports: (Port | null)[] = new Array(initialSlots).fill(null)
  private messages: unknown[] = new Array(initialSlots).fill(null)
  private edges: (Edge | null)[] = new Array(initialSlots).fill(null)
  /** What `shift` took out. */
  port: Port | null = null
  message: unknown = null
  edge: Edge | null = null

  push(port: Port, message: unknown, edge: Edge | null): void {
    if (this.count === this.ports.length) this.grow()
    const slot = (this.head + this.count) & (this.ports.length - 1)
    this.ports[slot] = port
    this.messages[slot] = message
    this.edges[slot] = edge
    this.count++
    this.bytes += weigh(message)
  }

  /** Takes the oldest message into `port`, `message`, `edge`; false when there is none. */
  shift(): boolean {
    if (this.count === 0) return false
    const slot = this.head
    this.port = this.ports[slot] as Port
    this.message = this.messages[slot]
    this.edge = this.edges[slot] as Edge | null
    this.ports[slot] = null
    this.messages[slot] = null
    this.edges[slot] = null
    this.head = (slot + 1) & (this.ports.length - 1)
    this.count--
    this.bytes -= weigh(this.message)
    return true
  }

  private grow(): void {
    const size = this.ports.length
    const unroll = <T>(ring: (T | null)[]): (T | null)[] => [
      ...ring.slice(this.head),
      ...ring.slice(0, this.head),
      ...new Array(size).fill(null),
    ]
    this.ports = unroll(this.ports)
    this.messages = unroll(this.messages)
    this.edges = unroll(this.edges)
    this.head = 0
  }
}
