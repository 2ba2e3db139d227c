/** fork copies traffic. It never delays it: what a branch cannot take is dropped, and counted. */

import test, { type ExecutionContext } from 'ava'
import { sluice } from '../../actors/index.ts'
import { Bulk } from '../support/bulk.ts'
import { type RunningProxy, serve, stable, until } from '../support/proxy.ts'
import { answering, ask, reply, Upstream, unusedPort } from '../support/upstream.ts'

const size = 32 * 1024 * 1024

/** An upstream that reads a body of `size` and answers with one. */
const bulky = (t: ExecutionContext): Promise<Upstream> =>
  Upstream.start(t, async connection => {
    for (;;) {
      await connection.read(/\r\n\r\n/)
      await Bulk.receive(connection, size).done
      connection.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`)
      await Bulk.send(connection.socket, size).done
    }
  })

/** What the ledger of the fork says. */
const forkOf = (proxy: RunningProxy) => {
  const edges = proxy.running.host.status().edges.filter(({ kind }) => kind === 'fork')
  return {
    dropped: edges.flatMap(edge => Object.values(edge.dropped)).reduce((sum, count) => sum + count, 0),
    accepted: edges.reduce((sum, edge) => sum + edge.accepted, 0),
  }
}

for (const transport of ['handle', 'net'] as const) {
  for (const bufferLimit of ['1m', '16k']) {
    test(`${transport}: a mirror that never reads does not delay what it copies (bufferLimit ${bufferLimit})`, async t => {
      const stuck = await Upstream.start(t, connection => void connection.socket.pause())
      const upstream = await bulky(t)
      const script = sluice()
        .listen('127.0.0.1:0')
        .demuxHTTP()
        .to($ =>
          $.fork()
            .to($ => $.muxHTTP().to($ => $.connect(`127.0.0.1:${stuck.port}`, { bufferLimit })))
            .muxHTTP()
            .to($ => $.connect(`127.0.0.1:${upstream.port}`))
            .fork()
            .to($ => $.encodeHTTPResponse().connect(`127.0.0.1:${stuck.port}`, { bufferLimit })),
        )
      const proxy = await serve(t, script, transport)
      const client = await proxy.client()
      client.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${size}\r\n\r\n`)
      await Bulk.send(client.socket, size).done
      await client.read(/\r\n\r\n/)
      const receiving = Bulk.receive(client, size)
      await receiving.done
      t.is(receiving.bytes, size)
      t.true(forkOf(proxy).dropped > 0)
      client.destroy()
      for (const connection of stuck.connections) connection.reset()
      await proxy.settled()
      t.is(stuck.connections.length, 2)
    })
  }

  test(`${transport}: a mirror that keeps up gets everything, and its answers go nowhere`, async t => {
    const bodies: string[] = []
    const mirror = await Upstream.start(
      t,
      answering(({ body }) => {
        bodies.push(body)
        return reply('who asked?')
      }),
    )
    const upstream = await Upstream.start(
      t,
      answering(({ body }) => reply(`<${body}>`)),
    )
    const script = sluice()
      .listen('127.0.0.1:0')
      .demuxHTTP()
      .to($ =>
        $.fork()
          .to($ => $.muxHTTP().to($ => $.connect(`127.0.0.1:${mirror.port}`)))
          .muxHTTP()
          .to($ => $.connect(`127.0.0.1:${upstream.port}`)),
      )
    const proxy = await serve(t, script, transport)
    const client = await proxy.client()
    for (let i = 0; i < 10; i++) {
      client.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n${i}`)
      t.is((await client.response('POST')).body, `<${i}>`)
    }
    await until(() => bodies.length === 10)
    t.deepEqual(bodies.sort(), ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'])
    t.is(forkOf(proxy).dropped, 0)
    client.end()
    await client.readToEnd()
    await proxy.settled()
  })

  test(`${transport}: a mirror that is not there costs the traffic nothing`, async t => {
    const gone = await unusedPort(t)
    const upstream = await Upstream.start(
      t,
      answering(() => reply('fine')),
    )
    const script = sluice()
      .listen('127.0.0.1:0')
      .demuxHTTP()
      .to($ =>
        $.fork()
          .to($ => $.muxHTTP().to($ => $.connect(`127.0.0.1:${gone}`)))
          .muxHTTP()
          .to($ => $.connect(`127.0.0.1:${upstream.port}`)),
      )
    const proxy = await serve(t, script, transport)
    const client = await proxy.client()
    for (let i = 0; i < 10; i++) t.is((await client.ask(ask('/'))).body, 'fine')
    client.end()
    await client.readToEnd()
    await proxy.settled()
  })

  test(`${transport}: a mirror that breaks off while its request is under way leaves nothing behind`, async t => {
    const rude = await Upstream.start(t, async connection => {
      await connection.request()
      connection.reset()
    })
    const upstream = await Upstream.start(t, async connection => {
      for (let i = 1; ; i++) {
        await connection.request()
        // The mirror's connection has ended, and the proxy has been told.
        await until(() => rude.connections.length === i && rude.connections.every(each => each.isEnded))
        await stable(() => 0)
        connection.write(reply('fine'))
      }
    })
    const script = sluice()
      .listen('127.0.0.1:0')
      .demuxHTTP()
      .to($ =>
        $.fork(undefined, { maxBranches: 1 })
          .to($ => $.muxHTTP().to($ => $.connect(`127.0.0.1:${rude.port}`)))
          .muxHTTP()
          .to($ => $.connect(`127.0.0.1:${upstream.port}`)),
      )
    const proxy = await serve(t, script, transport)
    const client = await proxy.client()
    for (let i = 0; i < 3; i++) t.is((await client.ask(ask('/'))).body, 'fine')
    t.is(rude.connections.length, 3)
    t.is(forkOf(proxy).dropped, 0)
    client.end()
    await client.readToEnd()
    await proxy.settled()
    await proxy.running.host.drain(60_000)
  })
}
