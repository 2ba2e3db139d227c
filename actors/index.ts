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
  Timeout,
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
export type { MirrorDifference } from './filters/traffic/comparison.ts'
export type { LoggedExchange } from './filters/traffic/traffic-log.ts'
export { Inbound } from './inbound.ts'
export { pipeline } from './script/builder.ts'
export type { Compression } from './script/compression-types.ts'
export type {
  ConnectOptions,
  DecompressOptions,
  ForkOptions,
  ListenOptions,
  MergeOptions,
  MuxHTTPOptions,
  MuxOptions,
  RESPOptions,
  ServerOptions,
  TeeOptions,
  ThrottleOptions,
} from './script/option-types.ts'
export type {
  CommonSinkOptions,
  ElasticsearchSinkOptions,
  FileSinkOptions,
  HTTPSinkOptions,
  OTLPSinkOptions,
  SinkOptionsByKind,
} from './script/sink-types.ts'
export { sluice } from './script/sluice.ts'
export type {
  BodyLogOptions,
  CompareOptions,
  DocumentHead,
  LogTrafficOptions,
  MirrorOptions,
} from './script/traffic-types.ts'
export type { AcceptTLSOptions, ConnectTLSOptions } from './script/tunnel-types.ts'
export type {
  Ctx,
  Duration,
  ExecOptions,
  HTTPRequestHead,
  HTTPResponseHead,
  Module,
  Pipeline,
  Script,
  Size,
  Stage,
} from './script/types.ts'
