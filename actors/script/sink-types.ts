/**
 * Sinks as scripts see them: part of types.ts, under the same rules. The kinds themselves are in `observability/sinks/`; a test
 * compares their options with these.
 */

import type { SinkAnswerHead } from '../filters/observe/sink.ts'
import type { Duration, Size, Stage } from './types.ts'

/** Options that all kinds of sinks have. */
export interface CommonSinkOptions {
  batchBytes?: Size
  batchCount?: number
  batchInterval?: Duration
  concurrency?: number
  bufferLimit?: Size
  bufferPath?: string
  bufferDiskLimit?: Size
  bufferSync?: boolean
  retryDelay?: Duration
  maxRetryDelay?: Duration
  maxTries?: number
  deadLetters?: string
  deadLetterFileSize?: Size
  deadLetterFileCount?: number
}

/** Options of the kinds that speak HTTP. */
export interface HTTPClientSinkOptions extends CommonSinkOptions {
  requestHeaders?: Readonly<Record<string, string>>
  apiKey?: string | undefined
  username?: string | undefined
  password?: string | undefined
  bearer?: string | undefined
  tls?: { ca?: string; cert?: string; key?: string; serverName?: string; verify?: boolean }
  timeout?: Duration
}

export interface ElasticsearchSinkOptions extends HTTPClientSinkOptions {
  node: string | readonly string[]
  dataStream?: string
  index?: string
  template?: true | object
  pipeline?: string
  compression?: 'gzip' | 'none'
  compatibleWith?: number
}

export interface HTTPSinkOptions extends HTTPClientSinkOptions {
  url: string | readonly string[]
  method?: 'POST' | 'PUT'
  format?: 'lines' | 'array'
  compression?: 'gzip' | 'none'
}

export interface OTLPSinkOptions extends HTTPClientSinkOptions {
  url: string | readonly string[]
  resource?: Readonly<Record<string, string>>
  body?: 'structured' | 'text'
  compression?: 'gzip' | 'none'
}

export interface FileSinkOptions extends CommonSinkOptions {
  path: string
  maxFileSize?: Size
  maxFileCount?: number
  rotateInterval?: Duration
}

/** Options by the kind of sink. */
export interface SinkOptionsByKind {
  elasticsearch: ElasticsearchSinkOptions
  file: FileSinkOptions
  http: HTTPSinkOptions
  otlp: OTLPSinkOptions
  stdout: CommonSinkOptions
}

/** Options of the filter itself. */
export interface SinkFilterOptions {
  policy?: 'block' | 'drop'
  answers?: boolean
  bodyLimit?: Size
}

/** The filter that writes to a sink. */
export interface SinkFilters<V, T extends boolean> {
  /** Writes messages to where traffic logs go */
  sink<K extends keyof SinkOptionsByKind>(
    kind: K,
    ...options: Record<never, never> extends SinkOptionsByKind[K]
      ? [(SinkOptionsByKind[K] & SinkFilterOptions)?]
      : [SinkOptionsByKind[K] & SinkFilterOptions]
  ): Stage<V, 'messages', SinkAnswerHead, T>
}
