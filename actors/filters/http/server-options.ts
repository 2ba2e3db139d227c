import type { HeadLimits, RequestHead } from '../../../runtime/codec/http1/index.ts'
import { count, duration, isFunction, optional, type Resolved, size } from '../../../runtime/options.ts'
import type { Context } from '../../context.ts'
import type { Callback, FilterCall } from '../definition.ts'
import { defaultBufferBytes } from './message-writer.ts'

/** What everyone who serves HTTP can be told. */
export const serverOptions = {
  bufferSize: size(
    defaultBufferBytes,
    'Bytes of a response of unknown length that are held to see whether it ends in the same turn: then it is sent with Content-Length, else in chunks.',
  ),
  maxHeaderSize: size(
    32 * 1024,
    'Bytes of a request head; more is answered with 431. As much as nginx takes (4 buffers of 8 KiB).',
  ),
  maxLineSize: size(
    8 * 1024,
    'Bytes of a request line; more is answered with 414. RFC 9112 §3 asks for 8000 at least.',
  ),
  maxHeaders: count(100, 'Fields in a request head; more is answered with 431. Browsers send about 20.', 1),
  maxBodySize: size(
    Number.MAX_SAFE_INTEGER,
    'Bytes of a request body; more is answered with 413. No limit, because bodies are streamed and cost no memory.',
  ),
  maxMessages: count(0, 'Requests on one connection before it is closed; 0: no limit.'),
  headTimeout: duration(
    30_000,
    'Time for a request head to arrive once its first byte has; then 408. Ends the slow drip of header bytes that holds connections (slowloris).',
  ),
} as const

/** And those that give requests to a script, which may know their routes. */
export const routedOptions = {
  ...serverOptions,
  route: optional(
    'a function (head, ctx) => text',
    "Names the route of a request, like '/users/*', for its span and metrics (http.route): asked when its response begins, with the context that served it. There should be few: metrics tell 100 apart, the rest is 'other'. Nothing, or '': it has none.",
    isFunction,
  ),
} as const

export type RouteOf = (head: RequestHead, ctx: Context) => unknown

export type ServerSettings = Resolved<typeof serverOptions> & { readonly route?: RouteOf | undefined }

/** The callback among the options of a call gets its context as all callbacks do. */
export const routeInContext = (call: FilterCall, route: Callback | undefined): RouteOf | undefined =>
  route && (call.inContext(route) as unknown as RouteOf)

const limits = new WeakMap<ServerSettings, Partial<HeadLimits>>()

/** The decoder's limits for these settings: one object for all connections of a listener. */
export function limitsOf(settings: ServerSettings): Partial<HeadLimits> {
  let found = limits.get(settings)
  if (found === undefined) {
    found = {
      maxHeadBytes: settings.maxHeaderSize,
      maxLineBytes: settings.maxLineSize,
      maxFields: settings.maxHeaders,
      maxBodyBytes: settings.maxBodySize,
    }
    limits.set(settings, found)
  }
  return found
}
