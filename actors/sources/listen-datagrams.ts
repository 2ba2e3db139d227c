import type { Buffer } from 'node:buffer'
import { TrafficError } from '../../runtime/errors.ts'
import type { Data } from '../../runtime/event.ts'
import { formatAddress, parseListenAddress } from '../../runtime/net/address.ts'
import type { Endpoint } from '../../runtime/net/transport.ts'
import { type DatagramHandler, DatagramSocket } from '../../runtime/net/udp.ts'
import type { ConnectionMetrics } from '../connection-metrics.ts'
import { count, countRefused, type DatagramLedgers, datagramLedgers } from '../datagram-ledgers.ts'
import type { Listening } from '../host.ts'
import type { PipelineLayout } from '../pipeline.ts'
import type { Program, Source } from '../program.ts'
import { DatagramSession } from './datagram-session.ts'
import { listenerMetrics } from './listener-metrics.ts'

/** Peers of a thread at one time, unless the script says otherwise: some 2 kB each, and anyone can make up addresses. */
const defaultMaxPeers = 16_384

export interface DatagramSettings {
  readonly maxConnections: number
  readonly idleTimeout: number
  readonly bufferLimit: number
}

/** A UDP address: a session per peer from which datagrams come. */
export class DatagramSource implements Source, DatagramHandler {
  private readonly program: Program
  private readonly layout: PipelineLayout
  private readonly address: string
  private readonly port: number
  private readonly settings: DatagramSettings
  private readonly maxPeers: number
  private readonly ledgers: DatagramLedgers
  private readonly sessions = new Map<string, DatagramSession>()
  private socket: DatagramSocket | undefined
  private local: Endpoint
  private isStopped = false
  private metrics: ConnectionMetrics | undefined

  /** @throws TrafficError `BadOption` */
  constructor(program: Program, layout: PipelineLayout, target: number | string, settings: DatagramSettings) {
    const { host: address, port } = parseListenAddress(target)
    // Nobody hands UDP sockets out, so each thread would have a port of its own.
    if (port === 0 && program.surroundings.thread.concurrency > 1)
      throw new TrafficError(
        'BadOption',
        'listen wants a port for UDP, since several threads listen on it; port 0 goes with one thread',
      )
    this.program = program
    this.layout = layout
    this.address = address
    this.port = port
    this.settings = settings
    this.maxPeers = settings.maxConnections === 0 ? defaultMaxPeers : settings.maxConnections
    this.local = { address, port }
    this.ledgers = datagramLedgers(program, `udp ${formatAddress(address, port)}`, layout.name)
  }

  get listening(): Listening {
    return { address: this.address, port: this.local.port, connections: this.sessions.size }
  }

  async start(): Promise<void> {
    const { address, port, settings } = this
    this.socket = await DatagramSocket.bind({ address, port, bufferBytes: settings.bufferLimit }, this)
    this.local = this.socket.local
    this.metrics = listenerMetrics(this.address, this.local.port)
  }

  received(bytes: Buffer, from: Endpoint): void {
    const key = formatAddress(from.address, from.port)
    const session = this.sessions.get(key) ?? this.open(key, from)
    if (session === undefined) count(this.ledgers.received, 'peers')
    else session.receive(bytes)
  }

  failed(): void {}

  refused(): void {
    countRefused(this.ledgers)
  }

  /** A datagram of a peer that has no session. When there is no room for one it is dropped, as the network would. */
  private open(key: string, remote: Endpoint): DatagramSession | undefined {
    if (this.isStopped || this.sessions.size >= this.maxPeers) return undefined
    const { program, layout, ledgers, local, settings, socket } = this
    const peer = {
      remote,
      local,
      ledgers,
      send: (datagram: Data) => socket?.send(datagram, remote) ?? false,
      ended: () => this.ended(key),
    }
    const session = new DatagramSession(program, layout, peer, settings.idleTimeout)
    this.sessions.set(key, session)
    this.metrics?.opened()
    return session
  }

  private ended(key: string): void {
    const inbound = this.sessions.get(key)?.context.__inbound
    if (inbound !== undefined) this.metrics?.closed(inbound)
    this.sessions.delete(key)
    if (this.isStopped && this.sessions.size === 0) this.socket?.close()
  }

  /** The socket goes when the sessions have: they may have something left to say. */
  stop(): void {
    this.isStopped = true
    if (this.sessions.size === 0) this.socket?.close()
  }
}
