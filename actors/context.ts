import type { Inbound } from './inbound.ts'

/** Variables that every context has beside those that the script declares. */
export interface Builtins {
  /** The connection (or flow) that the session serves; undefined in tasks. */
  readonly __inbound: Inbound | undefined
  readonly __thread: ThreadInfo
  /** Path of the script. */
  readonly __filename: string
}

export interface ThreadInfo {
  readonly id: number
  /** How many threads run this script. */
  readonly concurrency: number
}

/**
 * The script's variables in one session. It is a flat object, because copying one (`cloneContext`) then costs about
 * 20 ns: as in Pipy, each message gets a copy in demux and mux.
 */
export type Context = Record<string, unknown> & Builtins

/** A copy whose later changes neither the parent nor the siblings see. Values are copied, not what they refer to. */
export const cloneContext = (context: Context): Context => ({ ...context })
