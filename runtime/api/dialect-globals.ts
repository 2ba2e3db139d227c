import { Data, Message, MessageEnd, MessageStart, StreamEnd } from '../event.ts'
import * as algo from './algo/index.ts'
import * as crypto from './crypto/index.ts'
import { Hessian } from './hessian.ts'
import * as http from './http/index.ts'
import { IP, IPEndpoint } from './ip.ts'
import { dialectJSON } from './json.ts'
import * as logging from './logging/index.ts'
import { Netmask } from './netmask.ts'
import { os } from './os.ts'
import { print, println } from './print.ts'
import { dialectRepeat } from './repeat.ts'
import { RESP } from './resp.ts'
import * as stats from './stats/index.ts'
import { Timeout } from './timeout.ts'
import { URL } from './url.ts'
import { URLSearchParams } from './url-search-params.ts'
import { XML } from './xml.ts'
import { YAML } from './yaml.ts'
import { zlib } from './zlib.ts'

/**
 * What scripts in Pipy's dialect find as global names, besides those of JavaScript. Whoever loads one adds `pipy`,
 * which makes the builder, and `console`, which writes to the log.
 */
export const dialectGlobals: Readonly<Record<string, unknown>> = {
  Data,
  Message,
  MessageStart,
  MessageEnd,
  StreamEnd,
  /** Its name in Pipy's first generation. */
  SessionEnd: StreamEnd,
  algo,
  crypto,
  http,
  Hessian,
  IP,
  IPEndpoint,
  /** Its name in Pipy's third generation. */
  IPMask: Netmask,
  JSON: dialectJSON,
  logging,
  Netmask,
  os,
  print,
  println,
  RESP,
  repeat: dialectRepeat,
  stats,
  Timeout,
  URL,
  URLSearchParams,
  XML,
  YAML,
  zlib,
}
