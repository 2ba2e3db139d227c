/** A client that reads slowly, or not at all, slows nobody but itself. */

import test from 'ava'
import { statusOf } from '../support/http-text.ts'
import { stable, startProxy } from '../support/proxy.ts'
import { answering, ask, reply, Upstream } from '../support/upstream.ts'

const big = 'b'.repeat(60_000)

for (const transport of ['handle', 'net'] as const) {
  for (const maxSessions of [0, 1]) {
    test(`${transport}: a connection that was paused for a client that does not read is not given to others (maxSessions ${maxSessions})`, async t => {
      let sent = 0
      const upstream = await Upstream.start(
        t,
        answering(({ startLine }) => {
          sent++
          return reply(startLine.includes('small') ? 'small' : big)
        }),
      )
      const proxy = await startProxy(t, upstream.port, {
        transport,
        listen: { bufferLimit: '16k' },
        mux: { maxSessions },
      })
      const slow = await proxy.client()
      slow.socket.pause()
      slow.write(ask('/').repeat(1000))
      // The last response that the proxy read is whole, and waits in the proxy for the client to take it.
      t.true((await stable(() => sent)) < 500)
      const client = await proxy.client()
      if (maxSessions === 0) {
        for (let i = 0; i < 10; i++) t.is((await client.ask(ask('/small'))).body, 'small')
        t.is(upstream.connections.length, 2)
      } else {
        client.write(ask('/small'))
      }
      slow.socket.resume()
      for (let i = 0; i < 1000; i++) t.is(statusOf(await slow.response()), 200)
      if (maxSessions === 1) t.is((await client.response()).body, 'small')
      slow.destroy()
      client.destroy()
      await proxy.settled()
    })
  }

  test(`${transport}: connections that a client had paused are used again when it has gone`, async t => {
    let sent = 0
    const upstream = await Upstream.start(
      t,
      answering(() => {
        sent++
        return reply(big)
      }),
    )
    const proxy = await startProxy(t, upstream.port, { transport, listen: { bufferLimit: '16k' } })
    const slow = await proxy.client()
    slow.socket.pause()
    slow.write(ask('/').repeat(1000))
    await stable(() => sent)
    slow.reset()
    await proxy.settled()
    const client = await proxy.client()
    t.is(statusOf(await client.ask(ask('/'))), 200)
    t.is(upstream.connections.length, 1)
  })
}
