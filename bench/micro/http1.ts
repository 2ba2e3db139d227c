/**
 * What the HTTP/1 codec costs per head, in nanoseconds: the best of several rounds, since everything that disturbs
 * a measurement makes it slower. Run with `node bench/micro/http1.ts`.
 */

import { Buffer } from 'node:buffer'
import process from 'node:process'
import {
  encodeRequestHead,
  encodeResponseHead,
  RequestDecoder,
  type RequestHead,
  ResponseDecoder,
  type ResponseHead,
} from '../../runtime/codec/http1/index.ts'

const small =
  'GET /api/items/42 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: wrk/4.2.0\r\nAccept: application/json\r\n\r\n'

const browser =
  'GET /assets/app.3f9c1.js?v=20260101 HTTP/1.1\r\nHost: www.example.com\r\nConnection: keep-alive\r\n' +
  'sec-ch-ua: "Chromium";v="130", "Not?A_Brand";v="99"\r\nsec-ch-ua-mobile: ?0\r\nsec-ch-ua-platform: "Linux"\r\n' +
  'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36\r\n' +
  'Accept: */*\r\nSec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: script\r\n' +
  'Referer: https://www.example.com/products/list\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n' +
  'Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\nCookie: session=8f14e45fceea167a5a36dedd4bea2543; theme=dark\r\n\r\n'

const answer =
  'HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Type: text/plain\r\n' +
  'Content-Length: 12\r\n\r\nHello world\n'

const rounds = 12
const perRound = 100_000

function measure(name: string, size: number, once: () => void): void {
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < rounds; round++) {
    const began = process.hrtime.bigint()
    for (let i = 0; i < perRound; i++) once()
    best = Math.min(best, Number(process.hrtime.bigint() - began) / perRound)
  }
  process.stdout.write(`${name.padEnd(44)} ${String(size).padStart(4)} B ${best.toFixed(0).padStart(6)} ns\n`)
}

let total = 0
let use: (head: RequestHead) => void = () => {}
const requests = new RequestDecoder({
  head: head => use(head),
  body: () => {},
  end: () => {},
  violation: violation => {
    throw new Error(violation.id)
  },
})

let useResponse: (head: ResponseHead) => void = () => {}
const responses = new ResponseDecoder({
  head: head => useResponse(head),
  body: () => {},
  end: () => {},
  violation: violation => {
    throw new Error(violation.id)
  },
})

const uses: [string, (head: RequestHead) => void][] = [
  ['decode', () => {}],
  [
    'decode, write untouched',
    head => {
      total += encodeRequestHead(head, -1, '').length
    },
  ],
  [
    'decode, read path and one header()',
    head => {
      total += head.path.length + (head.header('host') as string).length
    },
  ],
  [
    'decode, read headers',
    head => {
      total += (head.headers.host as string).length
    },
  ],
  [
    'decode, read headers, write',
    head => {
      total += (head.headers.host as string).length
      total += encodeRequestHead(head, -1, '').length
    },
  ],
  [
    'decode, change headers, write',
    head => {
      head.headers['x-added'] = '1'
      total += encodeRequestHead(head, -1, '').length
    },
  ],
]

const scratch = Buffer.alloc(4096)
for (const [title, text] of [
  ['small', small],
  ['browser', browser],
] as const) {
  const bytes = Buffer.from(text)
  measure(`${title}: bytes to string and back (floor)`, bytes.length, () => {
    total += scratch.write(bytes.toString('latin1', 0, bytes.length), 0, 'latin1')
  })
  for (const [name, one] of uses) {
    use = one
    measure(`${title}: ${name}`, bytes.length, () => {
      requests.decode(bytes, 0, bytes.length)
    })
  }
}

const reply = Buffer.from(answer)
for (const [name, one] of [
  ['decode', () => {}],
  [
    'decode, write untouched',
    (head: ResponseHead) => {
      total += encodeResponseHead(head, head.framing, '').length
    },
  ],
] as const) {
  useResponse = one
  measure(`response: ${name}`, reply.length, () => {
    responses.expect('GET')
    responses.decode(reply, 0, reply.length)
  })
}

if (total === 0) throw new Error('nothing was measured')
