/** What a script gets with `import … from 'sluice'`. All of it is stable unless its comment says otherwise. */

export {
  algo,
  crypto,
  dataJSON as JSON,
  Hessian,
  http,
  logging,
  Netmask,
  os,
  RESP,
  repeat,
  stats,
  URL,
  URLSearchParams,
  XML,
  type XMLChild,
  type XMLNode,
} from '../runtime/api/index.ts'
export type { DubboHead, DubboHeadLike } from '../runtime/codec/dubbo/index.ts'
export type { RESPHead, RESPType, RESPValue } from '../runtime/codec/resp/index.ts'
export { VerbatimString } from '../runtime/codec/resp/index.ts'
export type { Event, Head } from '../runtime/event.ts'
export { Data, Message, MessageEnd, MessageStart, StreamEnd } from '../runtime/event.ts'
export type { Builtins, ThreadInfo } from './context.ts'
export { Hub } from './filters/compose/swap.ts'
export { Inbound } from './inbound.ts'
export { sluice } from './script/sluice.ts'
export type { AcceptTLSOptions, ConnectTLSOptions } from './script/tunnel-types.ts'
export type {
  Compression,
  ConnectOptions,
  Ctx,
  DecompressOptions,
  Duration,
  ExecOptions,
  ForkOptions,
  HTTPRequestHead,
  HTTPResponseHead,
  ListenOptions,
  MergeOptions,
  Module,
  MuxHTTPOptions,
  MuxOptions,
  RESPOptions,
  Script,
  ServerOptions,
  Size,
  Stage,
  TeeOptions,
  ThrottleOptions,
} from './script/types.ts'
