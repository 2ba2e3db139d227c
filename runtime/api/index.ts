/** What scripts may use besides filters and events. All of it is stable but for what its own comment says. */

import * as algo from './algo/index.ts'
import * as crypto from './crypto/index.ts'
import * as http from './http/index.ts'
import * as logging from './logging/index.ts'
import * as stats from './stats/index.ts'

export { dialectGlobals } from './dialect-globals.ts'
export { Hessian } from './hessian.ts'
export { type DataJSON, dataJSON, dialectJSON } from './json.ts'
export { Netmask } from './netmask.ts'
export { FileStats, os } from './os.ts'
export { dialectRepeat, repeat } from './repeat.ts'
export { RESP } from './resp.ts'
export { Timeout } from './timeout.ts'
export { URL } from './url.ts'
export { URLSearchParams } from './url-search-params.ts'
export { XML, type XMLChild, XMLNode } from './xml.ts'
export { algo, crypto, http, logging, stats }
