/**
 * TLS over events instead of sockets: both of its sides are handed bytes and hand bytes out. Node's TLSSocket does
 * the work, over a stream that leads here.
 *
 *     receive ──► wire ──► TLSSocket ──► decrypted        peer's close_notify, or the end of the wire: decryptedEnd
 *     encrypted ◄── wire ◄── TLSSocket ◄── write          end(): close_notify, then encryptedEnd
 */

import { Buffer } from 'node:buffer'
import type { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { Duplex } from 'node:stream'
import { type SecureContext, TLSSocket, connect as wrapSocket } from 'node:tls'
import type { Data } from '../data.ts'
import { TrafficError } from '../errors.ts'
import { type Flushable, type Source, turn } from '../turn.ts'
import { BlockedSources } from './blocked-sources.ts'
import { tlsErrorOf } from './tls-errors.ts'
import type { TLSInfo } from './transport.ts'

/** What a handshake has led to. */
export interface TLSHandshake extends TLSInfo {
  /** Name of the cipher, as OpenSSL has it. */
  readonly cipher: string | undefined
  /** The peer's certificate, if it has shown one. */
  readonly peer: X509Certificate | undefined
  /** Why the peer's certificate is not to be trusted; undefined when it is, or when none was asked for. */
  readonly distrust: string | undefined
}

/**
 * Who uses a stream. It is told from within `receive` and `write`, and at other times, each being one turn; what it
 * is told comes in order. After `failed`, and after `destroy`, nothing comes.
 */
export interface TLSStreamUser {
  /** Bytes for the peer. The memory is not used again. */
  encrypted(bytes: Buffer): void
  /** Our direction is over: close_notify has been given out. */
  encryptedEnd(): void
  /** The handshake is done. Whether the peer is trusted is for the user to say. */
  secured(handshake: TLSHandshake): void
  /** Bytes from the peer. The memory is not used again. */
  decrypted(bytes: Buffer): void
  /** The peer finished sending. We may still send. */
  decryptedEnd(): void
  /** The stream is broken, after what `encrypted` was given last (an alert). */
  failed(error: TrafficError): void
}

export interface TLSServerStreamOptions {
  readonly secureContext: SecureContext
  /** Asks the client for a certificate. */
  readonly asksCertificate: boolean
  /** Breaks the handshake off when it has none. */
  readonly demandsCertificate: boolean
  readonly alpn: readonly string[]
}

export interface TLSClientStreamOptions {
  readonly secureContext: SecureContext
  /** The name to ask for and to check the certificate with; '' checks no name. */
  readonly serverName: string
  readonly alpn: readonly string[]
}

/** What is not public of a TLSSocket, and has no other way: the result of the check of a client's certificate. */
interface VerifyingHandle {
  verifyError?(): (Error & { code?: string }) | null
}

/** The stream under the TLSSocket: what it reads are bytes from the peer, what is written to it goes to the peer. */
class Wire extends Duplex {
  private readonly tls: TLSStream

  constructor(tls: TLSStream) {
    super({ allowHalfOpen: true })
    this.tls = tls
  }

  override _read(): void {
    this.tls.wireWanted()
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.tls.wireWritten(chunk, done)
  }

  override _final(done: () => void): void {
    this.tls.wireEnded()
    done()
  }
}

/** Lets whoever takes the encrypted bytes hold the TLSSocket back. */
class WireSource implements Source {
  private pauses = 0
  private held: (() => void) | null = null

  pause(): void {
    this.pauses++
  }

  resume(): void {
    if (this.pauses === 0 || --this.pauses > 0) return
    const { held } = this
    this.held = null
    held?.()
  }

  /** Calls `done` when nothing is paused. */
  whenRunning(done: () => void): void {
    if (this.pauses === 0) done()
    else this.held = done
  }
}

export class TLSStream implements Source, Flushable {
  private readonly user: TLSStreamUser
  private readonly where: string
  private readonly wire: Wire
  private readonly socket: TLSSocket
  private readonly wireSource = new WireSource()
  /** Who sends encrypted bytes faster than they are wanted, and who sends plain ones faster than they are taken. */
  private readonly receivers = new BlockedSources()
  private readonly writers = new BlockedSources()
  private pauses = 0
  private isSecured = false
  private isCorked = false
  private isGone = false

  private constructor(user: TLSStreamUser, where: string, make: (wire: Duplex) => TLSSocket) {
    this.user = user
    this.where = where
    this.wire = new Wire(this)
    // What goes wrong is told by the socket; the wire repeats it.
    this.wire.on('error', () => {})
    this.socket = make(this.wire)
    this.socket.on('data', (bytes: Buffer) => this.tell(this, () => this.user.decrypted(bytes)))
    this.socket.on('end', () => this.ended())
    this.socket.on('drain', () => this.writers.release())
    this.socket.on('error', error => this.broke(error))
  }

  /** @param where names the peer in errors */
  static server(user: TLSStreamUser, where: string, options: TLSServerStreamOptions): TLSStream {
    const { secureContext, asksCertificate, demandsCertificate, alpn } = options
    const stream = new TLSStream(
      user,
      where,
      wire =>
        new TLSSocket(wire as never, {
          isServer: true,
          secureContext,
          requestCert: asksCertificate,
          rejectUnauthorized: demandsCertificate,
          ...(alpn.length === 0 ? {} : { ALPNProtocols: [...alpn] }),
        }),
    )
    const { socket } = stream
    // Not public, and what everyone listens to who makes the server's side of a TLSSocket: 'secureConnect' is not
    // told there, and errors behind the handshake are told like this alone.
    socket.on('secure', () => stream.handshakeDone(asksCertificate ? distrustOf(socket) : undefined))
    socket.on('_tlsError', (error: Error) => stream.broke(error))
    return stream
  }

  /** @param where names the peer in errors */
  static client(user: TLSStreamUser, where: string, options: TLSClientStreamOptions): TLSStream {
    const { secureContext, serverName, alpn } = options
    const stream = new TLSStream(user, where, wire =>
      wrapSocket({
        socket: wire,
        secureContext,
        // The user decides, told what is wrong.
        rejectUnauthorized: false,
        // RFC 6066 §3 forbids to ask for an address.
        ...(serverName === '' || isIP(serverName) !== 0 ? {} : { servername: serverName }),
        ...(serverName === '' ? { checkServerIdentity: () => undefined } : { host: serverName }),
        ...(alpn.length === 0 ? {} : { ALPNProtocols: [...alpn] }),
      }),
    )
    const { socket } = stream
    socket.on('secureConnect', () =>
      stream.handshakeDone(socket.authorized ? undefined : String(socket.authorizationError)),
    )
    return stream
  }

  /** Bytes from the peer. When there are more than are wanted, their source is paused. */
  receive(data: Data): void {
    if (this.isGone) return
    const view = data.buffer.subarray(data.start, data.end)
    const { source } = turn
    // The TLSSocket may keep what it is given until it is read from.
    if (!this.wire.push(data.borrowed ? Buffer.from(view) : view)) this.receivers.block(source)
  }

  /** The peer finished sending, with or without close_notify. */
  receiveEnd(): void {
    if (!this.isGone) this.wire.push(null)
  }

  /** Plain bytes for the peer, gathered until the turn ends. When too many wait, their source is paused. */
  write(data: Data): void {
    if (this.isGone || data.end === data.start) return
    if (!this.isCorked) {
      this.isCorked = true
      this.socket.cork()
      turn.defer(this)
    }
    const view = data.buffer.subarray(data.start, data.end)
    if (!this.socket.write(data.borrowed ? Buffer.from(view) : view)) this.writers.block(turn.source)
  }

  flush(): void {
    this.isCorked = false
    if (!this.isGone) this.socket.uncork()
  }

  /** Finishes our direction, behind what was written. */
  end(): void {
    if (!this.isGone) this.socket.end()
  }

  /** Ends it now; nothing more is told. */
  destroy(): void {
    if (this.isGone) return
    this.isGone = true
    this.receivers.release()
    this.writers.release()
    this.socket.destroy()
    this.wire.destroy()
  }

  /** As the source of what it has decrypted. */
  pause(): void {
    if (this.pauses++ === 0) this.socket.pause()
  }

  resume(): void {
    if (this.pauses > 0 && --this.pauses === 0 && !this.isGone) this.socket.resume()
  }

  // For the wire

  wireWanted(): void {
    this.receivers.release()
  }

  wireWritten(chunk: Buffer, done: () => void): void {
    if (!this.isGone) this.tell(this.wireSource, () => this.user.encrypted(chunk))
    this.wireSource.whenRunning(done)
  }

  wireEnded(): void {
    if (!this.isGone) this.tell(this.wireSource, () => this.user.encryptedEnd())
  }

  private handshakeDone(distrust: string | undefined): void {
    if (this.isGone || this.isSecured) return
    this.isSecured = true
    const { socket } = this
    const serverName = (socket as { servername?: unknown }).servername
    const handshake = {
      alpn: textOf(socket.alpnProtocol),
      serverName: textOf(serverName),
      protocol: textOf(socket.getProtocol()),
      cipher: socket.getCipher()?.name,
      peer: socket.getPeerX509Certificate(),
      distrust,
    }
    this.tell(this, () => this.user.secured(handshake))
  }

  private ended(): void {
    if (this.isGone) return
    if (this.isSecured) this.tell(this, () => this.user.decryptedEnd())
    else
      this.fail(
        new TrafficError('ConnectionReset', `${this.where} closed the connection during the TLS handshake`),
      )
  }

  private broke(error: Error): void {
    this.fail(tlsErrorOf(error, this.isSecured ? 'read' : 'connect', this.where))
  }

  private fail(error: TrafficError): void {
    if (this.isGone) return
    this.destroy()
    this.tell(null, () => this.user.failed(error))
  }

  /** Runs what tells the user, as a turn of `source`; within another turn if one is going on. */
  private tell(source: Source | null, work: () => void): void {
    const outer = turn.source
    turn.begin(source)
    try {
      work()
    } finally {
      turn.end()
      turn.source = outer
    }
  }
}

const textOf = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined

function distrustOf(socket: TLSSocket): string | undefined {
  if (socket.getPeerX509Certificate() === undefined) return 'the peer has shown no certificate'
  const { _handle } = socket as unknown as { _handle?: VerifyingHandle }
  // Without a result to look at, nobody is trusted.
  if (typeof _handle?.verifyError !== 'function') return 'this Node does not tell whether it is valid'
  const error = _handle.verifyError()
  return error === null || error === undefined ? undefined : (error.code ?? error.message)
}
