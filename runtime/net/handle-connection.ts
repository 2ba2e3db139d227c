// Hot path: one read is one turn. No promise, timer, closure or stream object per read or write.

/**
 * A connection of the fast transport.
 *
 * What makes it fast (`sluice` beside `sluice-net` in docs/benchmarks.md):
 * - all sockets of a thread read into ONE buffer, so a read allocates nothing;
 * - what is written in a turn is gathered in ONE scratch buffer and sent by one system call when the turn ends;
 *   the kernel usually takes it at once, and then the scratch is free again. When it does not, the scratch stays
 *   with the unfinished write and the thread takes another;
 * - a write that finishes at once needs no request object, so all sockets share one spare.
 */

import { Buffer } from 'node:buffer'
import { after } from '../clock.ts'
import type { Data } from '../data.ts'
import { TrafficError } from '../errors.ts'
import { type Source, turn } from '../turn.ts'
import { formatAddress } from './address.ts'
import { BlockedSources } from './blocked-sources.ts'
import { BufferViews } from './buffer-views.ts'
import { socketErrorOf } from './socket-errors.ts'
import { type Handle, ShutdownRequest, streamState, WriteRequest } from './tcp-binding.ts'
import type { Connection, ConnectionHandler, ConnectOptions, Endpoint, TLSInfo } from './transport.ts'

const eof = -4095
/** 64 KiB, as libuv would use; a larger one made 1 MiB bodies no faster, since the peer's buffers limit a read. */
const readBytes = 64 * 1024
const scratchBytes = 64 * 1024
const spareScratches = 16

const readViews = new BufferViews(Buffer.allocUnsafeSlow(readBytes))
const readBuffer = readViews.buffer
const freeScratches: BufferViews[] = []
let scratchViews = new BufferViews(Buffer.allocUnsafeSlow(scratchBytes))
let scratch = scratchViews.buffer
let scratchUsed = 0
/** The connection whose bytes are in the scratch: the one written to last. */
let scratchOwner: HandleConnection | null = null
let spareRequest = new WriteRequest()

const State = { connecting: 0, open: 1, closing: 2, closed: 3 } as const

export class HandleConnection implements Connection {
  handler: ConnectionHandler
  queuedBytes = 0
  receivedBytes = 0
  sentBytes = 0
  private readonly handle: Handle
  private readonly highWaterBytes: number
  private state: number
  private pauses = 0
  private isDirty = false
  /** Whose bytes this turn has gathered: when they are sent, the turn may have another source already. */
  private writer: Source | null = null
  /** A lone text of this turn: sent without passing through the scratch. */
  private text = ''
  /** The kernel has not taken all of the last write yet; what follows waits in `backlog`. */
  private isWriting: boolean
  private backlog: Buffer[] | null = null
  private backlogBytes = 0
  private isEnding = false
  private isShutDown = false
  private peerEnded = false
  private wasCongested = false
  private readonly blocked = new BlockedSources()
  private cancelTimeout: (() => void) | null = null
  private remoteEndpoint: Endpoint | undefined
  private localEndpoint: Endpoint | undefined

  constructor(handle: Handle, handler: ConnectionHandler, highWaterBytes: number, isOpen: boolean) {
    this.handle = handle
    this.handler = handler
    this.highWaterBytes = highWaterBytes
    this.state = isOpen ? State.open : State.connecting
    this.isWriting = !isOpen
    handle.connection = this
    handle.onread = onRead
    handle.useUserBuffer(readBuffer)
  }

  get tls(): TLSInfo | undefined {
    return undefined
  }

  get remote(): Endpoint {
    this.remoteEndpoint ??= endpointOf(out => this.handle.getpeername(out))
    return this.remoteEndpoint ?? nowhere
  }

  /** Asked now, since a peer that is gone has no address any more, and errors should name it. */
  rememberRemote(): void {
    this.remoteEndpoint = endpointOf(out => this.handle.getpeername(out))
  }

  get local(): Endpoint {
    this.localEndpoint ??= endpointOf(out => this.handle.getsockname(out))
    return this.localEndpoint ?? nowhere
  }

  startReading(): void {
    if (this.pauses === 0) this.handle.readStart()
  }

  pause(): void {
    if (this.pauses++ === 0 && this.state === State.open) this.handle.readStop()
  }

  resume(): void {
    if (this.pauses > 0 && --this.pauses === 0 && this.state === State.open && !this.peerEnded)
      this.handle.readStart()
  }

  writeLatin1(text: string): void {
    if (this.state >= State.closing || this.isEnding || text.length === 0) return
    this.queuedBytes += text.length
    if (this.isWriting) {
      this.enqueue(Buffer.from(text, 'latin1'))
    } else if (!this.isDirty) {
      this.text = text
      this.markDirty()
    } else {
      this.takeScratch()
      if (this.isWriting) this.enqueue(Buffer.from(text, 'latin1'))
      else this.stageText(text)
    }
  }

  write(data: Data): void {
    const size = data.end - data.start
    if (this.state >= State.closing || this.isEnding || size === 0) return
    this.queuedBytes += size
    if (!this.isDirty && !this.isWriting) this.markDirty()
    if (!this.isWriting) this.takeScratch()
    if (this.isWriting) {
      this.enqueueRange(data.buffer, data.start, data.end, data.borrowed)
    } else if (scratchUsed + size <= scratchBytes) {
      scratchOwner = this
      if (data.start === 0 && data.buffer === readBuffer) scratch.set(readViews.upTo(size), scratchUsed)
      else data.buffer.copy(scratch, scratchUsed, data.start, data.end)
      scratchUsed += size
    } else {
      this.sendScratch()
      this.writeLarge(data.buffer, data.start, data.end, data.borrowed)
    }
  }

  /** Writes a range that did not fit into the scratch behind what was there, which has been sent. */
  private writeLarge(buffer: Buffer, start: number, end: number, borrowed: boolean): void {
    if (!this.isWriting && !borrowed && end - start >= scratchBytes) {
      this.send(buffer.subarray(start, end), false)
      return
    }
    let from = start
    while (!this.isWriting && from < end && this.state === State.open) {
      const size = Math.min(end - from, scratchBytes)
      scratchOwner = this
      buffer.copy(scratch, 0, from, from + size)
      scratchUsed = size
      from += size
      if (from < end) this.sendScratch()
    }
    if (from < end) this.enqueueRange(buffer, from, end, borrowed)
  }

  private enqueueRange(buffer: Buffer, start: number, end: number, borrowed: boolean): void {
    const view = buffer.subarray(start, end)
    this.enqueue(borrowed ? Buffer.from(view) : view)
  }

  /** Puts bytes behind an unfinished write, and pauses whoever sent them when that gets too much. */
  private enqueue(bytes: Buffer): void {
    if (this.backlog === null) this.backlog = [bytes]
    else this.backlog.push(bytes)
    this.backlogBytes += bytes.length
    if (this.queuedBytes > this.highWaterBytes) this.congest(turn.source)
  }

  private congest(source: Source | null): void {
    this.wasCongested = true
    this.blocked.block(source)
  }

  private markDirty(): void {
    this.isDirty = true
    this.writer = turn.source
    turn.defer(this)
  }

  /** Makes the scratch ours: sends what another connection has in it, and moves our lone text there. */
  private takeScratch(): void {
    if (scratchOwner !== this) {
      if (scratchOwner !== null) scratchOwner.sendScratch()
      scratchOwner = this
    }
    if (this.text !== '') {
      const text = this.text
      this.text = ''
      this.stageText(text)
    }
  }

  private stageText(text: string): void {
    if (scratchUsed + text.length <= scratchBytes) {
      scratchOwner = this
      scratchUsed += scratch.write(text, scratchUsed, 'latin1')
    } else {
      const bytes = Buffer.from(text, 'latin1')
      this.sendScratch()
      this.writeLarge(bytes, 0, bytes.length, false)
    }
  }

  private sendScratch(): void {
    scratchOwner = null
    const used = scratchUsed
    if (used === 0) return
    scratchUsed = 0
    this.send(scratchViews.upTo(used), true)
  }

  /** One system call. What the kernel does not take at once stays with the request until `onWritten`. */
  private send(bytes: Buffer, isScratch: boolean): void {
    if (this.state !== State.open) return
    const error = this.handle.writeBuffer(spareRequest, bytes)
    if (error !== 0) this.fail(socketErrorOf(error, 'write', this.where()))
    else if (streamState.lastWriteWasAsync()) this.awaitWrite(bytes.length, bytes, isScratch)
    else this.taken(bytes.length)
  }

  private sendText(text: string): void {
    const error = this.handle.writeLatin1String(spareRequest, text)
    if (error !== 0) this.fail(socketErrorOf(error, 'write', this.where()))
    else if (streamState.lastWriteWasAsync()) this.awaitWrite(text.length, undefined, false)
    else this.taken(text.length)
  }

  private taken(bytes: number): void {
    this.queuedBytes -= bytes
    this.sentBytes += bytes
  }

  private awaitWrite(bytes: number, memory: Buffer | Buffer[] | undefined, usesScratch: boolean): void {
    const request = spareRequest
    spareRequest = new WriteRequest()
    request.oncomplete = onWritten
    request.connection = this
    request.bytes = bytes
    // The handle does not keep the memory it is still sending from: without this the collector would take it.
    request.memory = memory
    if (usesScratch) {
      request.scratch = scratchViews
      scratchViews = freeScratches.pop() ?? new BufferViews(Buffer.allocUnsafeSlow(scratchBytes))
      scratch = scratchViews.buffer
    }
    this.isWriting = true
    if (this.queuedBytes > this.highWaterBytes) this.congest(this.writer)
  }

  written(status: number, bytes: number): void {
    if (this.state >= State.closing) return
    if (status !== 0) {
      this.fail(socketErrorOf(status, 'write', this.where()))
      return
    }
    this.taken(bytes)
    this.isWriting = false
    this.sendBacklog()
  }

  private sendBacklog(): void {
    if (this.backlog !== null) {
      const chunks = this.backlog
      const bytes = this.backlogBytes
      this.backlog = null
      this.backlogBytes = 0
      const error =
        chunks.length === 1
          ? this.handle.writeBuffer(spareRequest, chunks[0] as Buffer)
          : this.handle.writev(spareRequest, chunks, true)
      if (error !== 0) {
        this.fail(socketErrorOf(error, 'write', this.where()))
        return
      }
      if (streamState.lastWriteWasAsync()) {
        this.awaitWrite(bytes, chunks, false)
        return
      }
      this.taken(bytes)
    }
    if (this.wasCongested) {
      this.wasCongested = false
      this.blocked.release()
      this.handler.drained()
    }
    if (this.isEnding) this.shutDown()
  }

  /** End of the turn: everything gathered goes out. */
  flush(): void {
    this.isDirty = false
    if (this.state !== State.open) return
    if (this.text !== '') {
      const text = this.text
      this.text = ''
      this.sendText(text)
    } else if (scratchOwner === this) this.sendScratch()
    this.writer = null
    if (this.isEnding && !this.isWriting) this.shutDown()
  }

  end(): void {
    if (this.isEnding || this.state >= State.closing) return
    this.isEnding = true
    if (!this.isDirty && !this.isWriting) this.markDirty()
  }

  private shutDown(): void {
    if (this.isShutDown || this.state !== State.open) return
    this.isShutDown = true
    if (this.peerEnded) {
      this.close(undefined)
      return
    }
    const request = new ShutdownRequest()
    request.oncomplete = noop
    this.handle.shutdown(request)
  }

  readable(bytes: number): void {
    if (bytes > 0) {
      this.receivedBytes += bytes
      this.handler.data(readBuffer, 0, bytes)
    } else if (bytes === eof) {
      this.peerEnded = true
      this.handle.readStop()
      this.handler.ended()
      if (this.isShutDown) this.close(undefined)
    } else if (bytes < 0) {
      this.fail(socketErrorOf(bytes, 'read', this.where()))
    }
  }

  connected(status: number, options: ConnectOptions): void {
    this.cancelTimeout?.()
    this.cancelTimeout = null
    if (this.state !== State.connecting) return
    if (status !== 0) {
      this.fail(socketErrorOf(status, 'connect', formatAddress(options.address, options.port)))
      return
    }
    this.state = State.open
    if (options.noDelay) this.handle.setNoDelay(true)
    if (options.keepAlive) this.handle.setKeepAlive(true, 60)
    this.remoteEndpoint = { address: options.address, port: options.port }
    this.startReading()
    this.handler.opened()
    this.isWriting = false
    this.sendBacklog()
  }

  timeOutConnecting(options: ConnectOptions): void {
    this.cancelTimeout = after(options.connectTimeoutMs, () => {
      turn.begin(null)
      this.fail(
        new TrafficError(
          'ConnectionTimeout',
          `${formatAddress(options.address, options.port)} did not answer within ${options.connectTimeoutMs} ms`,
        ),
      )
      turn.end()
    })
  }

  /** Ends a connection that never came to be; not before the caller of `connect` has its object. */
  failLater(error: TrafficError): void {
    queueMicrotask(() => {
      turn.begin(null)
      this.fail(error)
      turn.end()
    })
  }

  private fail(error: TrafficError): void {
    this.close(error)
  }

  destroy(): void {
    this.close(undefined)
  }

  reset(): void {
    if (this.state !== State.open) {
      this.close(undefined)
      return
    }
    this.abandon()
    // A failing reset (the socket is gone already) closes like any other.
    if (this.handle.reset(() => this.finish(undefined)) !== 0) this.handle.close(() => this.finish(undefined))
  }

  private close(error: TrafficError | undefined): void {
    if (this.state >= State.closing) return
    this.abandon()
    this.handle.close(() => this.finish(error))
  }

  /** Gives up everything queued; only `closed` follows. */
  private abandon(): void {
    this.state = State.closing
    this.text = ''
    if (scratchOwner === this) {
      scratchOwner = null
      scratchUsed = 0
    }
    this.backlog = null
    this.backlogBytes = 0
    this.queuedBytes = 0
    this.cancelTimeout?.()
    this.cancelTimeout = null
  }

  private finish(error: TrafficError | undefined): void {
    this.state = State.closed
    turn.begin(null)
    this.blocked.release()
    this.handler.closed(error)
    turn.end()
  }

  private where(): string {
    const { remote } = this
    return remote === nowhere ? 'a peer that is gone' : formatAddress(remote.address, remote.port)
  }
}

/** What a socket says of one of its ends; nothing when it is gone, so that nothing is remembered either. */
function endpointOf(ask: (out: Partial<Endpoint>) => number): Endpoint | undefined {
  const out: { -readonly [K in keyof Endpoint]?: Endpoint[K] } = {}
  return ask(out) === 0 ? { address: out.address ?? '', port: out.port ?? 0 } : undefined
}

const nowhere: Endpoint = { address: '', port: 0 }

const noop = (): void => {}

function onRead(this: Handle): void {
  const connection = this.connection as HandleConnection
  turn.begin(connection)
  connection.readable(streamState.readBytesOrError())
  turn.end()
}

function onWritten(this: WriteRequest, status: number): void {
  if (this.scratch !== undefined && freeScratches.length < spareScratches)
    freeScratches.push(this.scratch as BufferViews)
  this.scratch = undefined
  this.memory = undefined
  const connection = this.connection as HandleConnection
  turn.begin(null)
  connection.written(status, this.bytes as number)
  turn.end()
}
