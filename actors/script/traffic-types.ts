/**
 * The filters that log and mirror traffic, as scripts see them: part of types.ts, under the same rules.
 */

import type { Head, MessageStart } from '../../runtime/event.ts'
import type { MirrorDifference } from '../filters/traffic/comparison.ts'
import type { LoggedExchange } from '../filters/traffic/traffic-log.ts'
import type { SinkOptionsByKind } from './sink-types.ts'
import type { Ctx, Duration, FromContext, Needs, Size } from './types.ts'

/** What logTraffic records of bodies. */
export interface BodyLogOptions {
  limit?: Size
  /** 'json', 'text', 'xml', 'form', 'binary', media types like 'image/*', or '*'. */
  types?: readonly string[]
  request?: boolean
  response?: boolean
  decompress?: boolean
  binary?: 'omit' | 'base64'
}

export interface LogTrafficOptions<V> {
  bodies?: boolean | BodyLogOptions
  headers?: boolean
  /** Names, regular expressions and JSON paths like '$.card.number'. */
  redact?: readonly (string | RegExp)[]
  reveal?: readonly string[]
  /** From 0 to 1. */
  sample?: number
  keep?: { errors?: boolean; slowerThan?: Duration }
  when?: (exchange: LoggedExchange, ctx: Ctx<V>) => unknown
  fields?: (exchange: LoggedExchange, ctx: Ctx<V>) => object | null | undefined
  dataset?: string
  namespace?: string
  service?: string
}

/** Head of the message that a document is: its body is the JSON. */
export interface DocumentHead {
  id: string
  timeMs: number
  traceId?: string
  spanId?: string
}

export interface MirrorOptions<V, H extends Head> {
  /** From 0 to 1. */
  share?: number
  by?: (start: MessageStart<H>, ctx: Ctx<V>) => unknown
  when?: (start: MessageStart<H>, ctx: Ctx<V>) => unknown
  headers?: Readonly<Record<string, string | null>>
  window?: Size
  maxBranches?: number
  connectTimeout?: Duration
  readTimeout?: Duration
}

/** With a comparison of both answers. */
export interface CompareOptions<V, H extends Head> extends MirrorOptions<V, H> {
  compare:
    | true
    | { ignoreHeaders?: readonly string[]; ignoreBody?: readonly (string | RegExp)[]; bodyLimit?: Size }
  onDifference?: (difference: MirrorDifference, ctx: Ctx<V>) => void
}

/** Filters that log and mirror messages. */
export interface TrafficFilters<V, H extends Head> {
  /** Logs each exchange as one document */
  logTraffic<K extends keyof SinkOptionsByKind>(
    sink: K,
    ...options: Record<never, never> extends SinkOptionsByKind[K]
      ? [(SinkOptionsByKind[K] & LogTrafficOptions<V>)?]
      : [SinkOptionsByKind[K] & LogTrafficOptions<V>]
  ): this
  logTraffic(options?: LogTrafficOptions<V>): Needs<V, 'messages', DocumentHead, this>
  /** Copies a share of the requests to another upstream */
  mirror(
    target: string | FromContext<V, string>,
    options: CompareOptions<V, H>,
  ): this & Needs<V, 'messages', DocumentHead, this>
  mirror(target: string | FromContext<V, string>, options?: MirrorOptions<V, H>): this
}
