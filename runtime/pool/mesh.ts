// Hot path: `send` runs once per message between threads. No promise, timer or closure per item.

import type { MessagePort } from 'node:worker_threads'
import { receiveMessageOnPort } from 'node:worker_threads'
import { type Flushable, turn } from '../turn.ts'
import { packFrame, unpackFrame } from './frame.ts'

/** Items that one thread sent in one turn, in the order it sent them. */
export type ItemsHandler = (fromThread: number, incarnation: number, items: readonly unknown[]) => void
export type PeerHandler = (thread: number, incarnation: number, state: 'up' | 'down') => void

/**
 * A thread's connections to all other threads of this process.
 *
 * All that this thread has for another in one turn goes as one frame: `send` gathers, the end of the turn posts. A
 * post costs 2 us and more whatever it carries: there and back, 0.2 million items a second go one by one, and 1.3
 * million in frames of 64 (bench/micro/mesh.ts, two cores, Node 24).
 *
 * Items are plain data: numbers, text, Uint8Arrays, arrays, objects. Order is kept per sender and receiver, and each
 * item arrives at most once. What was sent to a thread that died may be lost: its peers are told 'down', and 'up'
 * with another incarnation when a replacement is there, always in this order.
 */
export class Mesh {
  readonly thread: number
  private readonly peers: (Peer | undefined)[] = []
  private itemsHandler: ItemsHandler | undefined
  private peerHandler: PeerHandler | undefined

  constructor(thread: number) {
    this.thread = thread
  }

  /** Sends at the end of this turn. False when no such thread is up: the item is the caller's to account for. */
  send(toThread: number, item: unknown): boolean {
    const peer = this.peers[toThread]
    if (peer === undefined) return false
    peer.add(item)
    return true
  }

  isUp(thread: number): boolean {
    return this.peers[thread] !== undefined
  }

  /** Incarnation of a thread that is up. */
  incarnationOf(thread: number): number | undefined {
    return this.peers[thread]?.incarnation
  }

  /** Receives what other threads send, from now on; what came before was kept for this handler. */
  onItems(handler: ItemsHandler): void {
    this.itemsHandler = handler
    for (const peer of this.peers) peer?.open(handler)
  }

  /** Told of every peer that is up already, at once, and of every change from then on. */
  onPeer(handler: PeerHandler): void {
    this.peerHandler = handler
    for (const peer of this.peers) if (peer) handler(peer.thread, peer.incarnation, 'up')
  }

  /** A thread joined; `port` leads to it. For the thread's composition root, told by the main thread. */
  connect(thread: number, incarnation: number, port: MessagePort): void {
    const peer = new Peer(thread, incarnation, port)
    this.peers[thread] = peer
    turn.run(() => this.peerHandler?.(thread, incarnation, 'up'))
    if (this.itemsHandler) peer.open(this.itemsHandler)
  }

  /** A thread is gone. What it had sent before is handled first. */
  disconnect(thread: number, incarnation: number): void {
    const peer = this.peers[thread]
    if (peer?.incarnation !== incarnation) return
    peer.close()
    this.peers[thread] = undefined
    turn.run(() => this.peerHandler?.(thread, incarnation, 'down'))
  }

  /** Leaves the mesh: for a thread that ends. */
  close(): void {
    for (const peer of this.peers) peer?.close()
    this.peers.length = 0
  }
}

class Peer implements Flushable {
  readonly thread: number
  readonly incarnation: number
  private readonly port: MessagePort
  private handler: ItemsHandler | undefined
  /** Items of the current turn. A new array per frame: the packed one is not touched again. */
  private gathered: unknown[] = []

  constructor(thread: number, incarnation: number, port: MessagePort) {
    this.thread = thread
    this.incarnation = incarnation
    this.port = port
  }

  add(item: unknown): void {
    if (this.gathered.push(item) === 1) turn.defer(this)
  }

  flush(): void {
    if (this.gathered.length === 0) return
    const items = this.gathered
    this.gathered = []
    const frame = packFrame(items)
    this.port.postMessage(frame, [frame.buffer])
  }

  open(handler: ItemsHandler): void {
    const isOpen = this.handler !== undefined
    this.handler = handler
    if (isOpen) return
    this.port.on('message', (frame: Uint8Array) => this.receive(frame))
    // Listening would keep the thread alive; only its sessions may.
    this.port.unref()
  }

  close(): void {
    if (this.handler) {
      for (let next = receiveMessageOnPort(this.port); next; next = receiveMessageOnPort(this.port))
        this.receive(next.message)
    }
    this.gathered = []
    this.port.close()
  }

  private receive(frame: Uint8Array): void {
    turn.begin(null)
    try {
      this.handler?.(this.thread, this.incarnation, unpackFrame(frame))
    } finally {
      turn.end()
    }
  }
}
