/**
 * The one table of filters. The builder's methods, `--list-filters`, `--help-filters`, the reference page and the
 * editors' completion come from it.
 */

import { ask } from './cluster/ask.ts'
import { publish } from './cluster/publish.ts'
import { decodeDubbo } from './codec/decode-dubbo.ts'
import { decodeRESP } from './codec/decode-resp.ts'
import { encodeDubbo } from './codec/encode-dubbo.ts'
import { encodeRESP } from './codec/encode-resp.ts'
import { branchMessage, branchMessageStart } from './compose/branch-message.ts'
import { demux, demuxQueue } from './compose/demux.ts'
import { fork } from './compose/fork.ts'
import { forkJoin, forkRace } from './compose/fork-join.ts'
import { insert } from './compose/insert.ts'
import { branch, link } from './compose/link.ts'
import { loop } from './compose/loop.ts'
import { merge } from './compose/merge.ts'
import { mux, muxQueue } from './compose/mux.ts'
import { onEnd, onStart } from './compose/on-start.ts'
import { chain, pipe, pipeNext } from './compose/pipe.ts'
import { repeat, replay } from './compose/repeat.ts'
import { swap } from './compose/swap.ts'
import { use } from './compose/use.ts'
import { wait } from './compose/wait.ts'
import { compressHTTP, compressMessage } from './compression/compress.ts'
import { decompressHTTP, decompressMessage } from './compression/decompress.ts'
import { connect } from './connect/connect.ts'
import { dummy } from './debug/dummy.ts'
import { dump } from './debug/dump.ts'
import { print } from './debug/print.ts'
import type { FilterDefinition } from './definition.ts'
import { exec } from './files/exec.ts'
import { read } from './files/read.ts'
import { tee } from './files/tee.ts'
import { tap, throttleConcurrency, throttleDataRate, throttleMessageRate } from './flow/throttle.ts'
import { decodeHTTPRequest, decodeHTTPResponse } from './http/decode-http.ts'
import { demuxHTTP } from './http/demux-http.ts'
import { encodeHTTPRequest, encodeHTTPResponse } from './http/encode-http.ts'
import { muxHTTP } from './http/mux-http.ts'
import { serveHTTP } from './http/serve-http.ts'
import {
  handle,
  handleData,
  handleMessage,
  handleMessageBody,
  handleMessageEnd,
  handleMessageStart,
  handleStreamEnd,
  handleStreamStart,
} from './observe/handle.ts'
import {
  replace,
  replaceData,
  replaceMessage,
  replaceMessageBody,
  replaceMessageEnd,
  replaceMessageStart,
  replaceStreamEnd,
  replaceStreamStart,
} from './observe/replace.ts'
import { sink } from './observe/sink.ts'
import { deframe } from './shape/deframe.ts'
import { pack } from './shape/pack.ts'
import { split } from './shape/split.ts'
import { acceptTLS } from './tls/accept-tls.ts'
import { connectTLS } from './tls/connect-tls.ts'
import { detectProtocol } from './tls/detect-protocol.ts'
import { handleTLSClientHello } from './tls/handle-tls-client-hello.ts'
import { logTraffic } from './traffic/log-traffic.ts'
import { mirror } from './traffic/mirror.ts'
import { acceptHTTPTunnel } from './tunnel/accept-http-tunnel.ts'
import { acceptProxyProtocol } from './tunnel/accept-proxy-protocol.ts'
import { acceptSOCKS } from './tunnel/accept-socks.ts'
import { connectHTTPTunnel } from './tunnel/connect-http-tunnel.ts'
import { connectProxyProtocol } from './tunnel/connect-proxy-protocol.ts'
import { connectSOCKS } from './tunnel/connect-socks.ts'

export type { FilterDefinition } from './definition.ts'

export const filterTable = [
  acceptHTTPTunnel,
  acceptProxyProtocol,
  acceptSOCKS,
  acceptTLS,
  ask,
  branch,
  branchMessage,
  branchMessageStart,
  chain,
  compressHTTP,
  compressMessage,
  connect,
  connectHTTPTunnel,
  connectProxyProtocol,
  connectSOCKS,
  connectTLS,
  decodeDubbo,
  decodeHTTPRequest,
  decodeHTTPResponse,
  decodeRESP,
  decompressHTTP,
  decompressMessage,
  deframe,
  demux,
  demuxHTTP,
  demuxQueue,
  detectProtocol,
  dummy,
  dump,
  encodeDubbo,
  encodeHTTPRequest,
  encodeHTTPResponse,
  encodeRESP,
  exec,
  fork,
  forkJoin,
  forkRace,
  handle,
  handleData,
  handleMessage,
  handleMessageBody,
  handleMessageEnd,
  handleMessageStart,
  handleStreamEnd,
  handleStreamStart,
  handleTLSClientHello,
  insert,
  link,
  logTraffic,
  loop,
  merge,
  mirror,
  mux,
  muxHTTP,
  muxQueue,
  onEnd,
  onStart,
  pack,
  pipe,
  pipeNext,
  print,
  publish,
  read,
  repeat,
  replace,
  replaceData,
  replaceMessage,
  replaceMessageBody,
  replaceMessageEnd,
  replaceMessageStart,
  replaceStreamEnd,
  replaceStreamStart,
  replay,
  serveHTTP,
  sink,
  split,
  swap,
  tap,
  tee,
  throttleConcurrency,
  throttleDataRate,
  throttleMessageRate,
  use,
  wait,
] as const satisfies readonly FilterDefinition[]

/** Every filter by its name and its older names. */
export const filtersByName: ReadonlyMap<string, FilterDefinition> = new Map(
  filterTable.flatMap(definition =>
    [definition.name, ...definition.aliases].map(name => [name, definition] as const),
  ),
)
