/** Options of sources and filters that are the same whatever the script's variables are. */

import type { Data } from '../../runtime/event.ts'
import type { DialTLSOptions, ListenTLSOptions } from '../filters/tls/socket-tls.ts'
import type { Duration, Size } from './types.ts'

export interface ListenOptions {
  protocol?: 'tcp'
  maxConnections?: number
  readTimeout?: Duration
  writeTimeout?: Duration
  idleTimeout?: Duration
  handshakeTimeout?: Duration
  bufferLimit?: Size
  backlog?: number
  noDelay?: boolean
  keepAlive?: boolean
  /** Cannot be true: see the reference. */
  transparent?: false
  tls?: ListenTLSOptions
  role?: string
}

/** With UDP: the options that apply. */
export interface ListenUDPOptions
  extends Pick<ListenOptions, 'maxConnections' | 'idleTimeout' | 'bufferLimit' | 'role'> {
  protocol: 'udp'
}

export interface SubscribeOptions {
  group?: string | false
  window?: Size
  replies?: boolean
  maxRequests?: number
  requestTimeout?: Duration
  role?: string
}

export interface PublishOptions {
  policy?: 'drop' | 'block'
  window?: Size
  headers?: false | readonly string[]
}

export interface ConnectOptions {
  protocol?: 'tcp'
  bufferLimit?: Size
  retryCount?: number
  retryDelay?: Duration
  connectTimeout?: Duration
  readTimeout?: Duration
  writeTimeout?: Duration
  idleTimeout?: Duration
  noDelay?: boolean
  keepAlive?: boolean
  bind?: string
  tls?: DialTLSOptions | true
}

/** With UDP: the options that apply. */
export interface ConnectUDPOptions
  extends Pick<ConnectOptions, 'bufferLimit' | 'readTimeout' | 'idleTimeout' | 'bind'> {
  protocol: 'udp'
}

export interface ServerOptions {
  bufferSize?: Size
  maxHeaderSize?: Size
  maxLineSize?: Size
  maxHeaders?: number
  maxBodySize?: Size
  maxMessages?: number
  headTimeout?: Duration
}

export interface MuxHTTPOptions {
  maxIdle?: Duration
  maxSessions?: number
  maxMessages?: number
  bufferSize?: Size
  replaySize?: Size
}

export interface MuxOptions {
  maxIdle?: Duration
  maxSessions?: number
  maxQueue?: number
  bodyLimit?: Size
}

export interface ForkOptions {
  policy?: 'drop' | 'block'
  window?: Size
  maxBranches?: number
}

export interface RESPOptions {
  maxMessageSize?: Size
  maxElements?: number
  maxDepth?: number
}

export interface MergeOptions {
  maxIdle?: Duration
  window?: Size
}

export interface PackOptions {
  timeout?: Duration
  interval?: Duration
  bodyLimit?: Size
  prefix?: string | Data
  postfix?: string | Data
  separator?: string | Data
  vacancy?: number
}

/** What a decompressed body may become. */
export interface DecompressOptions {
  maxSize?: Size
  maxRatio?: number
}

export interface ThrottleOptions {
  blockInput?: boolean
  bufferLimit?: Size
}

export interface TeeOptions {
  append?: boolean
  shared?: boolean
  maxFileSize?: Size
  maxFileCount?: number
  rotateInterval?: Duration
}

/** Of a pipeline that is placed in the cluster. */
export interface ClusterOptions {
  role?: string
  delivery?: 'at-most-once' | 'at-least-once'
  fanout?: 'one' | 'all'
  shards?: number
  maxMessageSize?: Size
  acknowledge?: 'output' | 'taken'
  answerWithin?: Duration
  maxDeliver?: number
  streamSize?: Size
  streamAge?: Duration
  duplicateWindow?: Duration
  replicas?: number
}
