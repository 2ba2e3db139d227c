import type { Buffer } from 'node:buffer'

/** Table of the Castagnoli polynomial, reflected (RFC 9260 appendix A). zlib's crc32 has another polynomial. */
const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte
  for (let bit = 0; bit < 8; bit++) rest = (rest & 1) === 0 ? rest >>> 1 : (rest >>> 1) ^ 0x82f63b78
  return rest >>> 0
})

/** CRC-32C of bytes, of which those from `from` to `to` count as zeros: where the checksum itself stands. */
export function crc32c(bytes: Buffer, from: number, to: number): number {
  let crc = 0xffffffff
  for (let i = 0; i < bytes.length; i++) {
    const byte = i >= from && i < to ? 0 : (bytes[i] as number)
    crc = (table[(crc ^ byte) & 0xff] as number) ^ (crc >>> 8)
  }
  return (crc ^ 0xffffffff) >>> 0
}
