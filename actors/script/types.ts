/**
 * The builder as scripts see it. The stream's kind at each place (bytes or messages) and the kind of its heads are in
 * the types, so that a filter that cannot stand where it is put does not compile.
 *
 * The first sentence of each filter's comment is the summary of its row in the table (a test compares them).
 */

import type { Quota } from '../../runtime/api/algo/quota.ts'
import type { DubboHead, DubboHeadLike } from '../../runtime/codec/dubbo/index.ts'
import type { RESPHead } from '../../runtime/codec/resp/index.ts'
import type { Data, Event, Head, Message, MessageEnd, MessageStart, StreamEnd } from '../../runtime/event.ts'
import type { Builtins } from '../context.ts'
import type { Hub } from '../filters/compose/swap.ts'
import type { SubjectHead } from '../sources/subject-message.ts'
import type { BranchFilters, BranchFiltersOnMessages } from './branch-types.ts'
import type { CompressionFilters } from './compression-types.ts'
import type {
  ClusterOptions,
  ConnectOptions,
  ConnectUDPOptions,
  ForkOptions,
  ListenOptions,
  ListenUDPOptions,
  MergeOptions,
  MuxHTTPOptions,
  MuxOptions,
  PackOptions,
  PublishOptions,
  RESPOptions,
  ServerOptions,
  SubscribeOptions,
  TeeOptions,
  ThrottleOptions,
} from './option-types.ts'
import type { SinkFilters } from './sink-types.ts'
import type { TrafficFilters } from './traffic-types.ts'
import type { TunnelFilters, TunnelFiltersOnMessages } from './tunnel-types.ts'

/** A time: seconds as a number, or text like '500ms', '10s', '5m'. */
export type Duration = number | string
/** A number of bytes, or text like '16k', '1m'. */
export type Size = number | string

/** Head of an HTTP request. */
export interface HTTPRequestHead {
  protocol: string
  method: string
  /** The request-target as received: usually a path with query. */
  path: string
  scheme?: string | undefined
  authority?: string | undefined
  // biome-ignore lint/suspicious/noExplicitAny: reading a field gives text in nearly all scripts; writing takes more
  headers: Record<string, any>
}

/** Head of an HTTP response. */
export interface HTTPResponseHead {
  protocol: string
  status: number
  statusText: string
  // biome-ignore lint/suspicious/noExplicitAny: see HTTPRequestHead
  headers: Record<string, any>
}

/** What a script sees of its session: its own variables and the built-in ones. */
export type Ctx<V> = V & Builtins

export type Promisable<T> = T | PromiseLike<T>
type Replaced = Event | Message | readonly (Event | Message | null | undefined)[] | null | undefined | void
/** A literal replacement, or a callback that gives one. */
export type ReplacementOf<V, S> = Replaced | ((subject: S, ctx: Ctx<V>) => Promisable<Replaced>)
type Callback<V, S> = (subject: S, ctx: Ctx<V>) => Promisable<unknown>
export type FromContext<V, R> = (ctx: Ctx<V>) => R

export type Kind = 'bytes' | 'messages' | 'any'

/** A stage of any kind that a sub-pipeline may end with. */
export interface AnyStage {
  readonly kind?: Kind
}

/** What `pipeline($ => …)` gives. */
export interface Pipeline<V = Record<never, never>, K extends Kind = Kind, H extends Head = Head> {
  /** Only there for the types. */
  readonly takes?: ($: Stage<V, K, H, false>) => AnyStage
}

/** Those that can stand where there is a stream of this kind. */
type PipelineFor<V, K extends Kind, H extends Head> =
  | Pipeline<V, K, H>
  | Pipeline<V, 'any', Head>
  | Pipeline<Record<never, never>, K, H>
  | Pipeline<Record<never, never>, 'any', Head>

/** The sub-pipeline of a filter: the name of a pipeline, `$ => $…`, or what `pipeline($ => $…)` gave. */
export type Sub<V, K extends Kind, H extends Head> =
  | string
  | PipelineFor<V, K, H>
  | (($: Stage<V, K, H, false>) => AnyStage)

/** A filter that still needs its sub-pipeline. */
export interface Needs<V, K extends Kind, H extends Head, R> {
  /** Gives it: the name of a pipeline, `$ => $…`, or what `pipeline($ => $…)` gave. */
  to(target: Sub<V, K, H>): R
}

/** What a state of `deframe` is asked with: a byte, -1 after bytes that were passed on, or the buffer that was filled. */
// biome-ignore lint/suspicious/noExplicitAny: what it is depends on the state before, which types cannot tell
export type DeframeInput = any
type DeframeStep = string | readonly unknown[]

/** So many per second (or at one time): a number, text like '100k', or a Quota. None: no limit. */
export type QuotaOf<V> = QuotaValue | FromContext<V, QuotaValue | null | undefined>
type QuotaValue = Size | Quota
type AccountOf<V> = string | number | object | FromContext<V, unknown>

export interface ExecOptions<V> {
  stderr?: boolean
  env?: Record<string, string | undefined>
  onStart?: (pid: number, ctx: Ctx<V>) => void
  onExit?: (code: number, stderr: Data, ctx: Ctx<V>) => Replaced
}

interface SharedOptions<V> {
  key?: FromContext<V, unknown>
  maxIdle?: Duration
}

/** Where the actors of a pipeline live, and what reaches them. */
export type PipelineOptions<V> =
  | { placement?: 'local' }
  | ({ placement: 'node' } & SharedOptions<V>)
  | ({ placement: 'cluster' } & SharedOptions<V> & ClusterOptions)

/** What a pipeline is started with, for its onStart. */
type ArgumentsOf<V> = readonly unknown[] | ((event: Event, ctx: Ctx<V>) => readonly unknown[] | undefined)

// biome-ignore lint/suspicious/noExplicitAny: what a pipeline is started with, then the context: known where it is started
type StartCallback = (...given: any[]) => Promisable<Replaced>

/** What may begin a pipeline. */
export interface Sources<V> {
  /** Begins a pipeline for each connection to an address: a port, or 'ip:port'. */
  listen(target: number | string, options?: ListenOptions): Stage<V, 'bytes', Head, true>
  listen(target: number | string, options: ListenUDPOptions): Stage<V, 'messages', Head, true>
  /** Begins a pipeline that is fed what is published to a subject of NATS, which may have wildcards. */
  subscribe(subject: string, options?: SubscribeOptions): Stage<V, 'messages', SubjectHead, true>
  /** Begins a pipeline that is fed an empty message once, at an interval, or at a signal like 'SIGUSR2'. */
  task(when?: Duration, options?: { role?: string }): Stage<V, 'messages', Head, true>
  /** Begins a pipeline that is fed the bytes of a file, once. */
  read(file: string, options?: { role?: string }): Stage<V, 'bytes', Head, true>
  /** Begins a pipeline that others refer to by its name. Its messages' heads are what it says: pipeline<HTTPRequestHead>('log'). */
  pipeline<H extends Head = Head>(name: string, options?: PipelineOptions<V>): Stage<V, 'any', H, true>
}

/** A script, before its first pipeline. */
export interface Script<V> extends Sources<V> {
  /** Declares variables that other modules may import. */
  export<E extends object>(namespace: string, variables: E): Script<V & E>
  /** Makes variables that another module exports this module's as well: their types, and the namespace of each. */
  import<I extends object>(variables: { readonly [N in keyof I]: string }): Script<V & I>
}

/** A module that another one uses: what its `sluice()…` gave. */
export interface Module {
  readonly kind?: Kind
}

/** Filters that stand anywhere. */
interface Anywhere<V, K extends Kind, H extends Head, T extends boolean>
  extends AnyStage,
    BranchFilters<V, K, H, T> {
  readonly kind?: K
  /** Sends copies of events to other pipeline sessions */
  fork(
    init?: Partial<V> | readonly Partial<V>[] | FromContext<V, Partial<V> | readonly Partial<V>[]>,
    options?: ForkOptions,
  ): Needs<V, K, H, this>
  /** Sends copies of events to other pipelines and waits until these have ended */
  forkJoin(
    init?: Partial<V> | readonly Partial<V>[] | FromContext<V, Partial<V> | readonly Partial<V>[]>,
    options?: { bufferLimit?: Size; maxBranches?: number },
  ): Needs<V, K, H, this>
  /** Sends copies of events to several pipelines and takes the answer of the fastest */
  forkRace(
    init?: Partial<V> | readonly Partial<V>[] | FromContext<V, Partial<V> | readonly Partial<V>[]>,
    options?: { maxBranches?: number },
  ): Needs<V, K, H, Stage<V, 'any', Head, T>>
  /** Sends events through another pipeline, or a chain of them */
  pipe(
    target:
      | Sub<V, K, H>
      | readonly Sub<V, K, H>[]
      | { choose: (event: Event, ctx: Ctx<V>) => Sub<V, K, H> | readonly Sub<V, K, H>[] | null | undefined },
    args?: ArgumentsOf<V>,
  ): Stage<V, 'any', Head, T>
  /** Sends events to the next pipeline of a chain */
  pipeNext(args?: ArgumentsOf<V>): Stage<V, 'any', Head, T>
  /** Inserts events when a pipeline starts */
  onStart(events: Replaced | StartCallback): this
  /** Calls back when a pipeline ends */
  onEnd(callback: FromContext<V, unknown>): this
  /** Sends events through a chain of pipelines */
  chain(targets?: readonly Sub<V, K, H>[]): Stage<V, 'any', Head, T>
  /** Sends events through a pipeline whose output is also its input */
  loop(): Needs<V, 'any', Head, Stage<V, 'any', Head, T>>
  /** Gives the stream to a pipeline again for as long as a condition holds */
  repeat(
    condition: (end: StreamEnd, ctx: Ctx<V>) => Promisable<unknown>,
    options?: { bufferLimit?: Size },
  ): Needs<V, K, H, Stage<V, 'any', Head, T>>
  /** Gives the stream to a pipeline again when that ends with Replay */
  replay(options?: { delay?: Duration; bufferLimit?: Size }): Needs<V, K, H, Stage<V, 'any', Head, T>>
  /** Runs a process, with its input and output as the stream */
  exec(
    command: string | readonly string[] | FromContext<V, string | readonly string[]>,
    options?: ExecOptions<V>,
  ): Stage<V, 'bytes', Head, T>
  /** Reads a file */
  read(file: string | FromContext<V, string>, options?: { seek?: Size; size?: Size }): this
  /** Writes a copy of the bytes to a file */
  tee(file: string | FromContext<V, string>, options?: TeeOptions): this
  /** Limits the number of bytes per second */
  throttleDataRate(
    quota: QuotaOf<V>,
    account?: AccountOf<V> | ThrottleOptions,
    options?: ThrottleOptions,
  ): this
  /** Limits the number of streams at one time */
  throttleConcurrency(
    quota: QuotaOf<V>,
    account?: AccountOf<V> | ThrottleOptions,
    options?: ThrottleOptions,
  ): this
  /** Limits the number of messages or bytes per second */
  tap(quota: QuotaOf<V>, account?: AccountOf<V>): this
  /** Splits a stream of bytes into messages */
  split(
    separator: string | Data | ((byte: number, ctx: Ctx<V>) => Replaced | string),
  ): Stage<V, 'messages', Head, T>
  /** Reads a protocol with a state machine of the script */
  deframe(
    states: Record<string, DeframeStep | ((input: DeframeInput, ctx: Ctx<V>) => DeframeStep)>,
    options?: { maxRead?: Size },
  ): Stage<V, 'any', Head, T>
  /** Exchanges events with the other streams of a hub */
  swap(hub: Hub | FromContext<V, Hub>): this
  /** Sends events to pipelines in other modules */
  use(
    modules: Module | readonly Module[],
    pipeline: string,
    turnDown?: FromContext<V, unknown>,
  ): Stage<V, 'any', Head, T>
  use(
    modules: Module | readonly Module[],
    pipeline: string,
    pipelineDown: string,
    turnDown?: FromContext<V, unknown>,
  ): Stage<V, 'any', Head, T>
  /** Buffers up events until a condition is fulfilled */
  wait(condition: FromContext<V, unknown>, options?: { timeout?: Duration }): this
  /** Inserts events in front of a stream */
  insert(events: Replaced | FromContext<V, Promisable<Replaced>>): this
  /** Eats up all events but the end of the stream */
  dummy(): this
  /** Outputs events to the standard output */
  dump(tag?: string | FromContext<V, unknown>): this
  /** Outputs raw data to the standard output */
  print(): this
  /** Handles every event */
  handle(callback: Callback<V, Event>): this
  /** Handles the initial event in a stream */
  handleStreamStart(callback: Callback<V, Event>): this
  /** Handles a Data event */
  handleData(callback: Callback<V, Data>): this
  /** Handles the StreamEnd event */
  handleStreamEnd(callback: Callback<V, StreamEnd>): this
  /** Replaces every event */
  replace(replacement?: ReplacementOf<V, Event>): this
  /** Replaces the initial event in a stream */
  replaceStreamStart(replacement?: ReplacementOf<V, Event>): this
  /** Replaces a Data event */
  replaceData(replacement?: ReplacementOf<V, Data>): this
  /** Replaces the StreamEnd event */
  replaceStreamEnd(replacement?: ReplacementOf<V, StreamEnd>): this
}

/** Filters that take bytes. */
interface OnBytes<V, T extends boolean> extends TunnelFilters<V, T> {
  /** Sends data to a remote endpoint and receives data from it */
  connect(
    target: string | FromContext<V, Promisable<string>>,
    options?: ConnectOptions,
  ): Stage<V, 'bytes', Head, T>
  connect(
    target: string | FromContext<V, Promisable<string>>,
    options: ConnectUDPOptions,
  ): Stage<V, 'messages', Head, T>
  /** Deframes an HTTP request message */
  decodeHTTPRequest(): Stage<V, 'messages', HTTPRequestHead, T>
  /** Deframes an HTTP response message */
  decodeHTTPResponse(options?: {
    bodiless?: boolean | FromContext<V, unknown>
  }): Stage<V, 'messages', HTTPResponseHead, T>
  /** Deframes a Dubbo message */
  decodeDubbo(options?: { maxBodySize?: Size }): Stage<V, 'messages', DubboHead, T>
  /** Deframes a Redis message */
  decodeRESP(options?: RESPOptions): Stage<V, 'messages', RESPHead, T>
  /** Serves each HTTP request of a connection by a pipeline of its own */
  demuxHTTP(
    options?: ServerOptions & RouteOption<V>,
  ): Needs<V, 'messages', HTTPRequestHead, Stage<V, 'bytes', Head, T>>
  /** Serves HTTP requests with a handler function */
  serveHTTP(
    handler: Message | ((request: Message<HTTPRequestHead>, ctx: Ctx<V>) => Promisable<Message>),
    options?: ServerOptions & RouteOption<V> & { bodyLimit?: Size },
  ): Stage<V, 'bytes', Head, T>
}

interface RouteOption<V> {
  route?: (head: HTTPRequestHead, ctx: Ctx<V>) => string | undefined
}

/** Filters that take messages. */
interface OnMessages<V, H extends Head, T extends boolean>
  extends TunnelFiltersOnMessages<V, T>,
    BranchFiltersOnMessages<V, H, T>,
    CompressionFilters<V, H>,
    TrafficFilters<V, H>,
    SinkFilters<V, T> {
  /** Sends data to a remote endpoint and receives data from it */
  connect(
    target: string | FromContext<V, Promisable<string>>,
    options: ConnectUDPOptions,
  ): Stage<V, 'messages', Head, T>
  /** Frames an HTTP request message */
  encodeHTTPRequest(options?: { bufferSize?: Size }): Stage<V, 'bytes', Head, T>
  /** Frames an HTTP response message */
  encodeHTTPResponse(options?: {
    bufferSize?: Size
    bodiless?: boolean | FromContext<V, unknown>
    final?: boolean | FromContext<V, unknown>
  }): Stage<V, 'bytes', Head, T>
  /** Frames a Dubbo message */
  encodeDubbo(
    head?: DubboHeadLike | FromContext<V, DubboHeadLike | undefined>,
    options?: { maxBodySize?: Size },
  ): Stage<V, 'bytes', Head, T>
  /** Frames a Redis message */
  encodeRESP(options?: { version?: 2 | 3; maxMessageSize?: Size }): Stage<V, 'bytes', Head, T>
  /** Sends each message to a pipeline of its own, answers in the order they begin */
  demux(): Needs<V, 'messages', H, Stage<V, 'messages', H, T>>
  /** Sends each message to a pipeline of its own, answers in the order of the messages */
  demuxQueue(): Needs<V, 'messages', H, Stage<V, 'messages', H, T>>
  /** Sends messages to a shared pipeline and puts out its answers */
  ask<R extends Head = Head>(
    pipeline: string,
    options?: { deadline?: Duration; maxPending?: number; bodyLimit?: Size },
  ): Stage<V, 'messages', R, T>
  /** Publishes copies of messages to a subject of NATS */
  publish(subject: string | FromContext<V, string | null | undefined>, options?: PublishOptions): this
  /** Limits the number of messages per second */
  throttleMessageRate(
    quota: QuotaOf<V>,
    account?: AccountOf<V> | ThrottleOptions,
    options?: ThrottleOptions,
  ): this
  /** Joins the bodies of several messages into one */
  pack(n?: number, options?: PackOptions): this
  /** Sends copies of messages from different streams to a shared pipeline */
  merge(
    key?: FromContext<V, unknown> | string | object,
    options?: MergeOptions,
  ): Needs<V, 'messages', H, this>
  /** Sends messages from different sessions to a shared pipeline session */
  mux(
    key?: FromContext<V, unknown> | string | object,
    options?: MuxOptions & { messageKey?: (message: Message<H>) => unknown },
  ): Needs<V, 'messages', H, Stage<V, 'messages', Head, T>>
  /** Sends messages from different sessions to a shared pipeline session, answers in order */
  muxQueue(
    key?: FromContext<V, unknown> | string | object,
    options?: MuxOptions & { blocking?: boolean },
  ): Needs<V, 'messages', H, Stage<V, 'messages', Head, T>>
  /** Sends HTTP requests from many pipelines over shared sessions */
  muxHTTP(options?: MuxHTTPOptions): Needs<V, 'bytes', Head, Stage<V, 'messages', HTTPResponseHead, T>>
  muxHTTP(
    key: FromContext<V, unknown> | string,
    options?: MuxHTTPOptions,
  ): Needs<V, 'bytes', Head, Stage<V, 'messages', HTTPResponseHead, T>>
  /** Handles a MessageStart event */
  handleMessageStart(callback: Callback<V, MessageStart<H>>): this
  /** Handles a MessageEnd event */
  handleMessageEnd(callback: Callback<V, MessageEnd>): this
  /** Handles a complete message body */
  handleMessageBody(callback: Callback<V, Data>, options?: { bodyLimit?: Size }): this
  /** Handles a complete message including the head and the body */
  handleMessage(callback: Callback<V, Message<H>>, options?: { bodyLimit?: Size }): this
  /** Replaces a MessageStart event */
  replaceMessageStart(replacement?: ReplacementOf<V, MessageStart<H>>): this
  /** Replaces a MessageEnd event */
  replaceMessageEnd(replacement?: ReplacementOf<V, MessageEnd>): this
  /** Replaces an entire message body */
  replaceMessageBody(replacement?: ReplacementOf<V, Data>, options?: { bodyLimit?: Size }): this
  /** Replaces a complete message including the head and the body */
  replaceMessage(replacement?: ReplacementOf<V, Message<H>>, options?: { bodyLimit?: Size }): this
}

type Filters<V, K extends Kind, H extends Head, T extends boolean> = Anywhere<V, K, H, T> &
  (K extends 'bytes'
    ? OnBytes<V, T>
    : K extends 'messages'
      ? OnMessages<V, H, T>
      : OnBytes<V, T> & OnMessages<V, H, T>)

/**
 * A place in a pipeline.
 *
 * @typeParam V the script's variables
 * @typeParam K what the stream is made of here
 * @typeParam H the heads of its messages
 * @typeParam T true on the top level of the script, where the next pipeline may begin
 */
export type Stage<V, K extends Kind, H extends Head, T extends boolean> = Filters<V, K, H, T> &
  (T extends true ? Sources<V> : unknown)

/** Every filter that the types know: compared with the table by a test. */
export type FilterName = Exclude<keyof Filters<object, 'any', Head, false>, 'kind'>
