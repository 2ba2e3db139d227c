/** What is sent to one server in one round. */
export interface LoadTarget {
  readonly port: number
  readonly path: string
  readonly seconds: number
  readonly connections: number
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** File of a script for the closed loop. */
  readonly luaFile?: string | undefined
  /** Open loop only: requests per second, sent on time whether or not the server keeps up. */
  readonly rate?: number
}

/** What the load generator saw. */
export interface LoadResult {
  readonly requests: number
  readonly seconds: number
  readonly megabytes: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly errors: number
}
