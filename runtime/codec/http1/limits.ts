/** Bounds of what a decoder accepts. Each names the status that a request over it is answered with. */
export interface HeadLimits {
  /** Bytes from the start line to the empty line; 431. */
  readonly maxHeadBytes: number
  /** Bytes of the request line; 414. */
  readonly maxLineBytes: number
  /** Number of fields in a head or a trailer section; 431. */
  readonly maxFields: number
  /** Bytes of a trailer section; 431. */
  readonly maxTrailerBytes: number
  /** Bytes of all chunk extensions of one body; 400. */
  readonly maxExtensionBytes: number
  /** Bytes of a body; 413. */
  readonly maxBodyBytes: number
}

export const defaultLimits: HeadLimits = {
  // nginx's default is 4 buffers of 8 KiB, so what passes there passes here.
  maxHeadBytes: 32_768,
  // RFC 9112 §3 asks for at least 8000; one nginx buffer.
  maxLineBytes: 8192,
  // Apache's and Envoy's default; browsers send about 20.
  maxFields: 100,
  // Trailers are checksums and a gRPC status: far below this.
  maxTrailerBytes: 8192,
  // No software in use sends extensions; they are dropped, but a flood of them must end.
  maxExtensionBytes: 4096,
  // A proxy streams: bounding bodies is the script's affair unless it sets this.
  maxBodyBytes: Number.MAX_SAFE_INTEGER,
}

const completed = new WeakMap<Partial<HeadLimits>, HeadLimits>()

/** Full limits; the same object for the same given one, so that what is kept per limits is kept once. */
export function withDefaults(limits: Partial<HeadLimits> | undefined): HeadLimits {
  if (limits === undefined) return defaultLimits
  let full = completed.get(limits)
  if (full === undefined) {
    full = { ...defaultLimits, ...limits }
    completed.set(limits, full)
  }
  return full
}
