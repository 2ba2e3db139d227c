/** What the Redis codec costs. Run with `node bench/micro/resp.ts`. */

import { Buffer } from 'node:buffer'
import { encodeRESP, RESPDecoder, type RESPValue } from '../../runtime/codec/resp/index.ts'
import { Data } from '../../runtime/data.ts'
import { measureRate } from '../harness/rate.ts'

let seen = 0
const payloads: RESPValue[] = []
const decoder = new RESPDecoder({
  start: () => {},
  body: () => {},
  end: payload => {
    seen++
    payloads[0] = payload
  },
  violation: ({ reason }) => {
    throw new Error(reason)
  },
})

const samples: Record<string, RESPValue> = {
  'GET key': ['GET', 'user:1000'],
  OK: 'OK',
  integer: 123456,
  'bulk of 16 KiB': new Data(Buffer.alloc(16_384)),
  'array of 100 strings': Array.from({ length: 100 }, (_, i) => `member:${i}`),
  'map of 20 fields': new Map(Array.from({ length: 20 }, (_, i) => [`field${i}`, `value ${i}`])),
}

for (const [name, sample] of Object.entries(samples)) {
  const message = encodeRESP(sample)
  const messages = 100
  const read = Buffer.concat(Array.from({ length: messages }, () => message))
  const what = { bytes: read.length, messages }
  measureRate(`resp decode ${name}`, what, () => decoder.decode(read, 0, read.length))
  const [payload] = payloads
  measureRate(`resp encode ${name}`, what, () => {
    for (let i = 0; i < messages; i++) seen += encodeRESP(payload).length
  })
}

if (seen === 0) throw new Error('nothing was measured')
