/** The filters that compress, as scripts see them: part of types.ts, under the same rules. */

import type { Head, MessageStart } from '../../runtime/event.ts'
import type { DecompressOptions } from './option-types.ts'
import type { Ctx } from './types.ts'

/** A way to compress. */
export type Compression = 'gzip' | 'deflate' | 'brotli' | 'br' | 'zstd'
type CompressionLevel = number | 'default' | 'none' | 'speed' | 'best'
type ChosenCompression =
  | Compression
  | readonly Compression[]
  | { method?: Compression | readonly Compression[]; level?: CompressionLevel }
  | null
  | undefined
  | ''
  | false

/** A method, options, or a callback that chooses by the head of a message. */
type CompressionOf<V, H extends Head, O = unknown> =
  | Compression
  | readonly Compression[]
  | ({
      method?:
        | Compression
        | readonly Compression[]
        | ((start: MessageStart<H>, ctx: Ctx<V>) => ChosenCompression)
      level?: CompressionLevel
    } & O)
  | ((start: MessageStart<H>, ctx: Ctx<V>) => ChosenCompression)

export interface CompressionFilters<V, H extends Head> {
  /** Compresses the bodies of messages */
  compressMessage(how?: CompressionOf<V, H>): this
  /** Compresses the bodies of HTTP messages */
  compressHTTP(how?: CompressionOf<V, H, { negotiate?: boolean }>): this
  /** Decompresses the bodies of messages */
  decompressMessage(
    method: Compression | 'inflate' | ((start: MessageStart<H>, ctx: Ctx<V>) => unknown),
    options?: DecompressOptions,
  ): this
  /** Decompresses the bodies of HTTP messages */
  decompressHTTP(enable?: (start: MessageStart<H>, ctx: Ctx<V>) => unknown, options?: DecompressOptions): this
}
