/** What the Dubbo codec costs. Run with `node bench/micro/dubbo.ts`. */

import { Buffer } from 'node:buffer'
import { DubboDecoder, DubboEncoder, type DubboHead } from '../../runtime/codec/dubbo/index.ts'
import { measureRate } from '../harness/rate.ts'

let seen = 0
let last: DubboHead | undefined
const decoder = new DubboDecoder({
  head: head => {
    last = head
  },
  body: (_buffer, start, end) => {
    seen += end - start
  },
  end: () => {
    seen++
  },
  violation: ({ reason }) => {
    throw new Error(reason)
  },
})
const encoder = new DubboEncoder()

for (const bodyBytes of [180, 16_384]) {
  const message = Buffer.concat([encoder.encodeHead({ requestID: 7 }, bodyBytes), Buffer.alloc(bodyBytes)])
  const messages = 100
  const read = Buffer.concat(Array.from({ length: messages }, () => message))
  const what = { bytes: read.length, messages }
  measureRate('dubbo decode', what, () => decoder.decode(read, 0, read.length))
  measureRate('dubbo encode head', what, () => {
    for (let i = 0; i < messages; i++) seen += encoder.encodeHead(last as DubboHead, bodyBytes).length
  })
}

if (seen === 0) throw new Error('nothing was measured')
