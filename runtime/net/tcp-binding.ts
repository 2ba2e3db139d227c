/**
 * The part of Node's internal TCP handles that we use, with types. Not a public interface of Node: everything that
 * touches it is in this file, handle-connection.ts, tcp-handle.ts and listening-sockets.ts.
 */

import type { Buffer } from 'node:buffer'
import type { Endpoint } from './transport.ts'

export interface WriteRequest {
  oncomplete?: ((this: WriteRequest, status: number) => void) | undefined
  connection?: unknown
  bytes?: number
  scratch?: unknown
  memory?: Buffer | Buffer[] | undefined
}

interface StatusRequest {
  oncomplete?: (status: number) => void
}

export interface Handle {
  readonly fd: number
  connection?: unknown
  onread?: (this: Handle) => void
  onconnection?: (status: number, client: Handle | undefined) => void
  open(fd: number): number
  bind(address: string, port: number, flags: number): number
  bind6(address: string, port: number, flags: number): number
  listen(backlog: number): number
  connect(request: StatusRequest, address: string, port: number): number
  connect6(request: StatusRequest, address: string, port: number): number
  readStart(): number
  readStop(): number
  useUserBuffer(buffer: Buffer): void
  writeBuffer(request: WriteRequest, bytes: Buffer): number
  writeLatin1String(request: WriteRequest, text: string): number
  writev(request: WriteRequest, chunks: Buffer[], allBuffers: boolean): number
  shutdown(request: StatusRequest): number
  setNoDelay(on: boolean): number
  setKeepAlive(on: boolean, seconds: number): number
  getpeername(out: Partial<Endpoint>): number
  getsockname(out: Partial<Endpoint>): number
  reset(done: () => void): number
  close(done?: () => void): void
  ref(): void
  unref(): void
}

interface TCPBinding {
  readonly TCP: new (type: number) => Handle
  readonly TCPConnectWrap: new () => StatusRequest
  readonly constants: { readonly SOCKET: number; readonly SERVER: number; readonly UV_TCP_REUSEPORT?: number }
}

interface StreamBinding {
  readonly WriteWrap: new () => WriteRequest
  readonly ShutdownWrap: new () => StatusRequest
  readonly streamBaseState: Int32Array
  readonly kReadBytesOrError: number
  readonly kLastWriteWasAsync: number
}

const binding = (process as unknown as { binding(name: string): unknown }).binding
const tcp = binding('tcp_wrap') as TCPBinding
const stream = binding('stream_wrap') as StreamBinding

export const TCP = tcp.TCP
export const ConnectRequest = tcp.TCPConnectWrap
export const WriteRequest = stream.WriteWrap
export const ShutdownRequest = stream.ShutdownWrap
export const socketType = { socket: tcp.constants.SOCKET, server: tcp.constants.SERVER } as const
/** 0 where the platform cannot share a port between sockets. */
export const reusePortFlag = tcp.constants.UV_TCP_REUSEPORT ?? 0

const state = stream.streamBaseState
const { kReadBytesOrError, kLastWriteWasAsync } = stream

/** What the last call or callback of a handle left to be read. */
export const streamState = {
  readBytesOrError: (): number => state[kReadBytesOrError] as number,
  lastWriteWasAsync: (): boolean => state[kLastWriteWasAsync] !== 0,
}
