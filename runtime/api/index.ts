/** What scripts may use besides filters and events. All of it is stable but for what its own comment says. */

import * as algo from './algo/index.ts'

export { dialectGlobals } from './dialect-globals.ts'
export { Hessian } from './hessian.ts'
export { type DataJSON, dataJSON, dialectJSON } from './json.ts'
export { FileStats, os } from './os.ts'
export { dialectRepeat, repeat } from './repeat.ts'
export { algo }
export { RESP } from './resp.ts'
export { XML, type XMLChild, XMLNode } from './xml.ts'
