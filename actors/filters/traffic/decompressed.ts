import type { Buffer } from 'node:buffer'
import { Data } from '../../../runtime/data.ts'
import { decompression } from '../compression/codings.ts'
import type { Method } from '../compression/methods.ts'

/** The beginning of a body as it was before it was compressed. */
export interface Decompressed {
  readonly bytes: Buffer
  readonly isCut: boolean
}

/**
 * Decompresses what was captured of a body, on zlib's own threads, and stops at the limit: what a bomb unpacks to beyond
 * it is never made. A body that was cut or is damaged gives what there is in front of that.
 */
export function decompress(bytes: Buffer, method: Method, limitBytes: number): Promise<Decompressed> {
  const { promise, resolve } = Promise.withResolvers<Decompressed>()
  const engine = decompression(method).open()
  const output = new Data()
  const settle = (isCut: boolean): void => {
    engine.destroy()
    resolve({ bytes: output.clone().shift(limitBytes).bytes(), isCut })
  }
  engine.on('data', (piece: Buffer) => {
    output.push(piece)
    if (output.size > limitBytes) settle(true)
  })
  engine.on('end', () => settle(false))
  engine.on('error', () => settle(true))
  engine.end(bytes)
  return promise
}
