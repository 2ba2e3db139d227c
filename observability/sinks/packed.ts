import type { Buffer } from 'node:buffer'
import { promisify } from 'node:util'
import { constants, gzip } from 'node:zlib'

const pack = promisify(gzip)

/** A body for `content-encoding: gzip`, at level 1: others take twice the CPU for a tenth less on the wire. */
export const packed = (plain: Buffer): Promise<Buffer> => pack(plain, { level: constants.Z_BEST_SPEED })
