import * as node from 'node:zlib'
import { Data } from '../data.ts'
import { TrafficError } from '../errors.ts'
import { show } from '../options.ts'

/** What a few bytes may become: a bomb takes no more memory than this. */
const mostBytes = 64 * 1024 * 1024

function apply(name: string, work: (bytes: Uint8Array) => Buffer, input: unknown): Data {
  if (!(input instanceof Data) && typeof input !== 'string')
    throw new TrafficError('BadOption', `zlib.${name} wants Data, and got ${show(input)}`)
  try {
    return Data.over(work(typeof input === 'string' ? Buffer.from(input) : input.bytes()))
  } catch (error) {
    throw new TrafficError('RuntimeError', `zlib.${name}: ${(error as Error).message}`, error)
  }
}

const limits = { maxOutputLength: mostBytes }

/**
 * Compresses and decompresses bytes at once, while the thread waits; for streams there are `compress` and `decompress`.
 * What does not decompress, or to more than 64 MiB, is an error.
 */
export const zlib = {
  deflate: (input: Data | string): Data => apply('deflate', bytes => node.deflateSync(bytes), input),
  inflate: (input: Data): Data => apply('inflate', bytes => node.inflateSync(bytes, limits), input),
  gzip: (input: Data | string): Data => apply('gzip', bytes => node.gzipSync(bytes), input),
  gunzip: (input: Data): Data => apply('gunzip', bytes => node.gunzipSync(bytes, limits), input),
} as const
