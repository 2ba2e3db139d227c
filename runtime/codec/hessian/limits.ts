export interface HessianLimits {
  /**
   * Values in all that is decoded. One that is referred to counts again, with all that is in it, so that whoever walks
   * over the result (JSON.encode does) meets no more than this.
   */
  readonly maxValues: number
  /** Depth of lists, maps and objects in one another. */
  readonly maxDepth: number
}

export const defaultLimits: HessianLimits = {
  // Dubbo's bodies have at most 8 MiB by default; this is 8 bytes a value.
  maxValues: 1024 * 1024,
  // Far above what services exchange, and safe to walk over by recursion.
  maxDepth: 256,
}
