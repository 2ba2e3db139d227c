/** What compressing and decompressing a JSON body of 16 KiB costs, in one go. Run with `node bench/micro/compression.ts`. */

import { Buffer } from 'node:buffer'
import { compression, decompression } from '../../actors/filters/compression/codings.ts'
import type { Level, Method } from '../../actors/filters/compression/methods.ts'
import { measureRate } from '../harness/rate.ts'

const items = Array.from({ length: 240 }, (_, i) => ({
  id: i * 7919,
  name: `item number ${i}`,
  price: (i * 37) % 1000,
  tags: ['new', i % 3 === 0 ? 'red' : 'blue'],
}))
const body = Buffer.from(JSON.stringify(items)).subarray(0, 16_384)
const what = { bytes: body.length, messages: 1 }

const levels: readonly (readonly [Method, Level])[] = [
  ['gzip', 'speed'],
  ['gzip', 'default'],
  ['deflate', 'default'],
  ['br', 'speed'],
  ['br', 'default'],
  ['zstd', 'default'],
]
let seen = 0
for (const [method, level] of levels) {
  const coding = compression(method, level)
  measureRate(`compress ${method} ${level}`, what, () => {
    seen += coding.whole(body, Number.MAX_SAFE_INTEGER).length
  })
}
for (const method of ['gzip', 'deflate', 'br', 'zstd'] as const) {
  const compressed = compression(method, 'default').whole(body, Number.MAX_SAFE_INTEGER)
  const coding = decompression(method)
  measureRate(`decompress ${method}`, what, () => {
    seen += coding.whole(compressed, body.length).length
  })
}

if (seen === 0) throw new Error('nothing was measured')
