import type { Buffer } from 'node:buffer'
import { Deadline } from '../../runtime/clock.ts'
import { Data, type Event, Kind, MessageStart, messageEnd, StreamEnd } from '../../runtime/event.ts'
import type { Endpoint } from '../../runtime/net/transport.ts'
import { type Source, turn } from '../../runtime/turn.ts'
import { count, type DatagramLedgers } from '../datagram-ledgers.ts'
import { DatagramWriter } from '../datagram-writer.ts'
import type { Latin1 } from '../filter.ts'
import { Inbound } from '../inbound.ts'
import type { PipelineLayout } from '../pipeline.ts'
import type { Program } from '../program.ts'
import { Session } from '../session.ts'

/** A peer, as its session sees it. */
export interface DatagramPeer {
  readonly remote: Endpoint
  readonly local: Endpoint
  readonly ledgers: DatagramLedgers
  send(datagram: Data): boolean
  /** The session is over. */
  ended(): void
}

/**
 * The session of one peer of a UDP socket: each datagram from it is a message, and each message that comes out is
 * a datagram to it.
 *
 *     datagram ──► MessageStart Data MessageEnd ──► filters ──► messages, or Data ──► datagrams
 *
 * It ends when nothing moved in either direction for so long, or with a StreamEnd at its output. A source of UDP cannot
 * be held back: while the session is paused, datagrams from its peer are dropped and counted.
 */
export class DatagramSession extends Session {
  private readonly peer: DatagramPeer
  private readonly idle: Deadline | null
  private readonly writer: DatagramWriter
  private readonly traffic: Traffic
  private readonly source = new PeerSource()

  constructor(program: Program, layout: PipelineLayout, peer: DatagramPeer, idleTimeoutMs: number) {
    const traffic = new Traffic(peer)
    super(program, layout, program.newContext(new Inbound(traffic)))
    program.sessionStarted(this)
    this.peer = peer
    this.traffic = traffic
    this.writer = new DatagramWriter(datagram => this.sendOut(datagram))
    this.idle = idleTimeoutMs > 0 ? new Deadline(idleTimeoutMs, () => this.finish()) : null
    this.idle?.touch()
  }

  override get takesText(): boolean {
    return false
  }

  receive(bytes: Buffer): void {
    this.idle?.touch()
    const { isPaused } = this.source
    count(this.peer.ledgers.received, isPaused ? 'paused' : undefined)
    if (isPaused) return
    this.traffic.receivedBytes += bytes.length
    turn.begin(this.source)
    this.enter(new MessageStart(), null)
    if (bytes.length > 0 && !this.isStopped) this.enter(Data.over(bytes), null)
    if (!this.isStopped) this.enter(messageEnd, null)
    turn.end()
  }

  private sendOut(datagram: Data): void {
    this.idle?.touch()
    const isSent = this.peer.send(datagram)
    count(this.peer.ledgers.sent, isSent ? undefined : 'no-room')
    if (isSent) this.traffic.sentBytes += datagram.size
  }

  override process(event: Event | Latin1): void {
    if (event.kind === Kind.streamEnd) this.stop()
    else this.writer.write(event as Event)
  }

  /** There is no end that a peer could tell of: it is over when nothing comes any more. */
  private finish(): void {
    turn.begin(null)
    if (!this.isStopped) this.enter(new StreamEnd(), null)
    this.stop()
    turn.end()
  }

  override drain(): void {
    this.finish()
  }

  protected override stopped(): void {
    this.idle?.clear()
    super.stopped()
    this.program.sessionEnded(this)
    this.peer.ended()
  }
}

/** What is paused in the place of a peer, which cannot be. */
class PeerSource implements Source {
  private pauses = 0

  get isPaused(): boolean {
    return this.pauses > 0
  }

  pause(): void {
    this.pauses++
  }

  resume(): void {
    if (this.pauses > 0) this.pauses--
  }
}

/** What `__inbound` tells of a peer. */
class Traffic {
  readonly remote: Endpoint
  readonly local: Endpoint
  readonly tls = undefined
  receivedBytes = 0
  sentBytes = 0

  constructor({ remote, local }: DatagramPeer) {
    this.remote = remote
    this.local = local
  }
}
