/**
 * What one proxied exchange costs in JavaScript alone: the whole of demuxHTTP, muxHTTP and connect over a transport
 * in memory, so that no system call hides a change. Prints nanoseconds per exchange.
 */

import { Buffer } from 'node:buffer'
import { sluice } from '../../actors/index.ts'
import { startMemoryHost } from '../harness/memory-host.ts'
import type { MemoryConnection } from '../harness/memory-transport.ts'

const request = Buffer.from(
  'GET /catalog/items?page=2 HTTP/1.1\r\nHost: shop.example:8000\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n',
)
const response = Buffer.from(
  `HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Sat, 21 Nov 2026 08:00:00 GMT\r\nContent-Type: text/plain\r\nContent-Length: 128\r\nConnection: keep-alive\r\n\r\n${'x'.repeat(128)}`,
)

const transport = await startMemoryHost(
  sluice()
    .listen(8000)
    .demuxHTTP()
    .to($ => $.muxHTTP(() => 'origin').to($ => $.connect('127.0.0.1:8080'))),
)
// As many connections as the end-to-end benchmark has, so that objects age alike.
const pairs: { client: MemoryConnection; upstream: MemoryConnection }[] = []
for (let i = 0; i < 64; i++) pairs.push(await transport.pair(request))
for (const { upstream } of pairs) upstream.feed(response)

function round(exchanges: number): number {
  const since = process.hrtime.bigint()
  for (let i = 0; i < exchanges; i += pairs.length) {
    for (const { client } of pairs) client.feed(request)
    for (const { upstream } of pairs) upstream.feed(response)
  }
  return Number(process.hrtime.bigint() - since) / exchanges
}

const rounds = 12
const times: number[] = []
for (let i = 0; i < rounds; i++) times.push(round(64 * 2000))
times.sort((a, b) => a - b)
const sent = pairs.every(({ client }) => client.sentBytes > 1000)
process.stdout.write(
  `${JSON.stringify({ bench: 'exchange', unit: 'ns/exchange', best: Math.round(times[0] as number), median: Math.round(times[rounds >> 1] as number), sent })}\n`,
)
