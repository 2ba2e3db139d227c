import type { Buffer } from 'node:buffer'
import zlib from 'node:zlib'
import { type Level, levelOf, type Method } from './methods.ts'

/** A stream of zlib, as far as it is used. */
export type Engine = zlib.Gzip | zlib.Gunzip | zlib.BrotliCompress | zlib.BrotliDecompress | zlib.ZstdCompress

/** One way to change bodies: all of a body at once, or piece by piece. */
export interface Coding {
  /** @throws Error with a code of zlib, also when the result is longer than `limitBytes`. */
  whole(bytes: Buffer, limitBytes: number): Buffer
  open(): Engine
}

const { constants } = zlib

export function compression(method: Method, level: Level): Coding {
  const number = levelOf(method, level)
  switch (method) {
    case 'gzip':
      return {
        whole: bytes => zlib.gzipSync(bytes, { level: number }),
        open: () => zlib.createGzip({ level: number }),
      }
    case 'deflate':
      return {
        whole: bytes => zlib.deflateSync(bytes, { level: number }),
        open: () => zlib.createDeflate({ level: number }),
      }
    case 'br': {
      const params = { [constants.BROTLI_PARAM_QUALITY]: number }
      return {
        whole: bytes => zlib.brotliCompressSync(bytes, { params }),
        open: () => zlib.createBrotliCompress({ params }),
      }
    }
    case 'zstd': {
      const params = { [constants.ZSTD_c_compressionLevel]: number }
      return {
        whole: bytes => zlib.zstdCompressSync(bytes, { params }),
        open: () => zlib.createZstdCompress({ params }),
      }
    }
  }
}

export function decompression(method: Method): Coding {
  switch (method) {
    // One engine for both: it tells them apart by their first bytes, as Pipy's 'inflate' does.
    case 'gzip':
    case 'deflate':
      return {
        whole: (bytes, maxOutputLength) =>
          isRawDeflate(method, bytes)
            ? zlib.inflateRawSync(bytes, { maxOutputLength })
            : zlib.unzipSync(bytes, { maxOutputLength }),
        open: () => zlib.createUnzip(),
      }
    case 'br':
      return {
        whole: (bytes, maxOutputLength) => zlib.brotliDecompressSync(bytes, { maxOutputLength }),
        open: () => zlib.createBrotliDecompress(),
      }
    case 'zstd':
      return {
        whole: (bytes, maxOutputLength) => zlib.zstdDecompressSync(bytes, { maxOutputLength }),
        open: () => zlib.createZstdDecompress(),
      }
  }
}

/** Some senders leave the header of zlib out, which RFC 9110 §8.4.1.2 notes. */
const isRawDeflate = (method: Method, bytes: Buffer): boolean =>
  method === 'deflate' && ((bytes[0] ?? 0) & 0x0f) !== 8 && bytes[0] !== 0x1f
