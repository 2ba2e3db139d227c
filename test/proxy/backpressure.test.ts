/**
 * Whatever the sizes, the proxy holds little: who cannot take bytes stops the one who sends them.
 *
 * SLUICE_TEST_MIB sets the size of the bodies (default 256), SLUICE_TEST_RATE the speed of the slow reader in MiB/s
 * (default: it stops until nothing moves, then reads at 200 MiB/s).
 */

import { env } from 'node:process'
// One after the other, since they measure memory.
import test, { type ExecutionContext } from 'ava'
import { Bulk, memoryOf } from '../support/bulk.ts'
import { stable, startProxy } from '../support/proxy.ts'
import { makeScript, startSluice } from '../support/sluice.ts'
import { TcpClient } from '../support/tcp-client.ts'
import { answering, ask, reply, Upstream } from '../support/upstream.ts'

const mib = 1024 * 1024
const size = Number(env.SLUICE_TEST_MIB ?? 256) * mib
const bytesPerSecond = Number(env.SLUICE_TEST_RATE ?? 200) * mib
/** On node:net each read is a new buffer, of which V8 lets 64 MiB pile up before it collects them. */
const allowed: Readonly<Record<string, number>> = { auto: 64 * mib, net: 128 * mib }

test.beforeEach(t => t.timeout(240_000))

/** A proxy in a process of its own, that has worked already. */
async function startMeasured(t: ExecutionContext, transport: string, script: string) {
  const child = startSluice(t, [makeScript(t, script), `--transport=${transport}`])
  const port = await child.port()
  const pid = child.child.pid as number
  const client = await TcpClient.connect(port)
  t.teardown(() => client.destroy())
  for (let i = 0; i < 200; i++) await client.ask(ask('/warm'))
  return { port, pid, client }
}

const proxyTo = (port: number): string => `
import { sluice } from 'sluice'
export default sluice()
  .listen('127.0.0.1:0')
  .demuxHTTP().to($ => $.muxHTTP().to($ => $.connect('127.0.0.1:${port}')))
`

const mirrorTo = (port: number, mirror: number): string => `
import { sluice } from 'sluice'
export default sluice()
  .listen('127.0.0.1:0')
  .demuxHTTP().to($ => $
    .fork().to($ => $.muxHTTP().to($ => $.connect('127.0.0.1:${mirror}')))
    .muxHTTP().to($ => $.connect('127.0.0.1:${port}'))
    .fork().to($ => $.encodeHTTPResponse().connect('127.0.0.1:${mirror}')))
`

const post = `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${size}\r\n\r\n`

for (const transport of ['auto', 'net']) {
  for (const framing of ['with a length', 'in chunks', 'until the connection closes']) {
    test.serial(`${transport}: a large response ${framing} to a slow reader costs little memory`, async t => {
      let sending: Bulk | undefined
      const upstream = await Upstream.start(t, async connection => {
        for (;;) {
          const { startLine } = await connection.request()
          if (startLine.includes('/warm')) connection.write(reply('warm'))
          else {
            connection.write(
              framing === 'with a length'
                ? `HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`
                : framing === 'in chunks'
                  ? `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${size.toString(16)}\r\n`
                  : 'HTTP/1.1 200 OK\r\n\r\n',
            )
            sending = Bulk.send(connection.socket, size)
            await sending.done
            if (framing === 'in chunks') connection.write('\r\n0\r\n\r\n')
            else if (framing !== 'with a length') connection.end()
          }
        }
      })
      const { client, pid } = await startMeasured(t, transport, proxyTo(upstream.port))
      const before = memoryOf(pid).now
      client.write(ask('/large'))
      await client.read(/\r\n\r\n/)
      client.socket.pause()
      const inFlight = await stable(() => sending?.bytes ?? 0)
      t.true(inFlight < size / 2, `${inFlight / mib} MiB were sent while nobody read`)
      const receiving = Bulk.receive(client, size, bytesPerSecond)
      await receiving.done
      t.true(receiving.bytes >= size)
      const grown = memoryOf(pid).peak - before
      t.log(`${(grown / mib).toFixed(1)} MiB`)
      t.true(grown < (allowed[transport] as number), `memory grew by ${grown / mib} MiB`)
    })
  }

  test.serial(`${transport}: a large request to a slow upstream costs little memory`, async t => {
    const requested = Promise.withResolvers<Bulk>()
    const resume = Promise.withResolvers<void>()
    const upstream = await Upstream.start(t, async (connection, index) => {
      if (index === 0) return answering(() => reply('warm'))(connection, index)
      await connection.read(/\r\n\r\n/)
      connection.socket.pause()
      await resume.promise
      const receiving = Bulk.receive(connection, size, bytesPerSecond)
      requested.resolve(receiving)
      await receiving.done
      connection.write(reply('thanks'))
    })
    const { client, pid, port } = await startMeasured(t, transport, proxyTo(upstream.port))
    // This one keeps the connection that is in use, so that the other gets a fresh one.
    client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n')
    const uploader = await TcpClient.connect(port)
    const before = memoryOf(pid).now
    uploader.write(post)
    const sending = Bulk.send(uploader.socket, size)
    const inFlight = await stable(() => sending.bytes)
    t.true(inFlight < size / 2, `${inFlight / mib} MiB were sent while nobody read`)
    resume.resolve()
    await (await requested.promise).done
    await uploader.read(/thanks$/)
    const grown = memoryOf(pid).peak - before
    t.log(`${(grown / mib).toFixed(1)} MiB`)
    t.true(grown < (allowed[transport] as number), `memory grew by ${grown / mib} MiB`)
    uploader.destroy()
  })

  test.serial(`${transport}: a mirror that never reads costs little memory, and no time`, async t => {
    const stuck = await Upstream.start(t, connection => void connection.socket.pause())
    const upstream = await Upstream.start(t, async connection => {
      for (;;) {
        const head = await connection.read(/\r\n\r\n/)
        if (head.includes('/warm')) {
          connection.forget()
          connection.write(reply('warm'))
          continue
        }
        await Bulk.receive(connection, size).done
        connection.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`)
        await Bulk.send(connection.socket, size).done
      }
    })
    const { client, pid } = await startMeasured(t, transport, mirrorTo(upstream.port, stuck.port))
    const before = memoryOf(pid).now
    client.write(post)
    await Bulk.send(client.socket, size).done
    await client.read(/\r\n\r\n/)
    const receiving = Bulk.receive(client, size)
    await receiving.done
    t.is(receiving.bytes, size)
    const grown = memoryOf(pid).peak - before
    t.log(`${(grown / mib).toFixed(1)} MiB`)
    t.true(grown < (allowed[transport] as number), `memory grew by ${grown / mib} MiB`)
    t.true(stuck.connections.length > 0)
  })
}

for (const transport of ['handle', 'net'] as const) {
  test.serial(
    `${transport}: a large request waits in its client while the connection to the upstream is made`,
    async t => {
      const large = 16 * mib
      const upstream = await Upstream.start(t, async connection => {
        await connection.read(/\r\n\r\n/)
        const receiving = Bulk.receive(connection, large)
        await receiving.done
        connection.write(reply(String(receiving.bytes)))
      })
      const proxy = await startProxy(t, upstream.port, { transport, connect: { bufferLimit: '16k' } })
      const client = await proxy.client()
      client.write(`PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: ${large}\r\n\r\n`)
      Bulk.send(client.socket, large)
      t.is((await client.response('PUT')).body, String(large))
    },
  )
}
