/** What is sent to one server in one round. */
export interface LoadTarget {
  readonly port: number
  readonly path: string
  readonly seconds: number
  readonly connections: number
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
