/** The wait before the next try: doubled with each failure in a row up to a limit, and from the start after a success. */
export class RetryDelay {
  private readonly firstMs: number
  private readonly longestMs: number
  private failures = 0

  constructor(firstMs: number, longestMs: number) {
    this.firstMs = firstMs
    this.longestMs = longestMs
  }

  /** Counts a failure; gives the milliseconds to wait. */
  next(): number {
    return doubled(this.firstMs, this.longestMs, this.failures++)
  }

  reset(): void {
    this.failures = 0
  }
}

/** After so many failures before this one. */
export const doubled = (firstMs: number, longestMs: number, failures: number): number =>
  Math.min(longestMs, firstMs * 2 ** Math.min(30, failures))

/** Between half of it and the whole, so that the many who wait for the same do not come back all at once. */
export const jittered = (ms: number): number => ms * (0.5 + Math.random() / 2)
