import { MessageChannel, type MessagePort } from 'node:worker_threads'
import type { PoolThread } from './thread-pool.ts'

/** What the main thread tells a thread about its peers, in order. */
export type MeshNotice =
  | {
      readonly kind: 'peer-up'
      readonly thread: number
      readonly incarnation: number
      readonly port: MessagePort
    }
  | { readonly kind: 'peer-down'; readonly thread: number; readonly incarnation: number }

/** Sends a notice to a thread, moving the port that is in it. */
export type TellNotice = (to: PoolThread, notice: MeshNotice, transfer: readonly MessagePort[]) => void

/**
 * The main thread's part of the mesh: gives each pair of threads a channel, and tells the others when one has died.
 * A dead thread is announced before its replacement joins, because both go through here.
 */
export class MeshExchange {
  private readonly members = new Map<number, PoolThread>()
  private readonly tell: TellNotice

  constructor(tell: TellNotice) {
    this.tell = tell
  }

  /** Connects a thread that is being started with all that are there. */
  join(thread: PoolThread): void {
    for (const other of this.members.values()) {
      const { port1, port2 } = new MessageChannel()
      this.introduce(other, thread, port1)
      this.introduce(thread, other, port2)
    }
    this.members.set(thread.slot, thread)
  }

  leave(thread: PoolThread): void {
    if (this.members.get(thread.slot) !== thread) return
    this.members.delete(thread.slot)
    const notice: MeshNotice = { kind: 'peer-down', thread: thread.slot, incarnation: thread.incarnation }
    for (const other of this.members.values()) this.tell(other, notice, [])
  }

  private introduce(to: PoolThread, peer: PoolThread, port: MessagePort): void {
    this.tell(to, { kind: 'peer-up', thread: peer.slot, incarnation: peer.incarnation, port }, [port])
  }
}
