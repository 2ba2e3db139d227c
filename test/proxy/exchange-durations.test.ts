/** What the histograms of durations say of exchanges: on real sockets, in this process. */

import test from 'ava'
import { Message, sluice } from '../../actors/index.ts'
import { statsRegistry } from '../../runtime/api/stats/registry.ts'
import { serve } from '../support/proxy.ts'

const durationsOn = (port: number): { count: number; seconds: number } => {
  const metric = statsRegistry.snapshot().find(({ name }) => name === 'http_server_request_duration_seconds')
  const series = metric?.series.find(({ labels }) => labels[0] === String(port))
  return { count: series?.counts.reduce((sum, each) => sum + each, 0) ?? 0, seconds: series?.value ?? 0 }
}

test('a callback that keeps the thread busy is in the duration of its request, though all is one turn', async t => {
  const server = await serve(
    t,
    sluice()
      .listen('127.0.0.1:0')
      .serveHTTP(() => {
        const endMs = performance.now() + 20
        while (performance.now() < endMs);
        return new Message('late')
      }),
  )
  const client = await server.client()
  await client.ask('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  const { count, seconds } = durationsOn(server.running.port)
  t.is(count, 1)
  t.true(seconds >= 0.02, `${seconds} s`)
})
