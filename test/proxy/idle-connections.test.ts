/** Idle keep-alive connections cost little: 10,000 of them at most 6 KB each. */

import { env } from 'node:process'
import test from 'ava'
import { memoryOf } from '../support/bulk.ts'
import { fieldOf } from '../support/http-text.ts'
import { makeScript, startSluice } from '../support/sluice.ts'
import { TcpClient } from '../support/tcp-client.ts'
import { answering, ask, reply, Upstream } from '../support/upstream.ts'

/** SLUICE_TEST_CONNECTIONS sets how many; descriptors of the process are the limit. */
const connections = Number(env.SLUICE_TEST_CONNECTIONS ?? 5000)
/** On node:net a connection has streams of Node's around it. */
const allowedBytes: Readonly<Record<string, number>> = { auto: 6 * 1024, net: 12 * 1024 }

const script = (port: number): string => `
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { sluice } from 'sluice'
setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc')
export default sluice()
  .listen('127.0.0.1:0')
  .demuxHTTP().to($ => $
    .handleMessageStart(({ head }) => { if (head.path === '/gc') gc() })
    .muxHTTP().to($ => $.connect('127.0.0.1:${port}')))
`

for (const transport of ['auto', 'net']) {
  test.serial(`${transport}: an idle connection that has had a response costs little`, async t => {
    t.timeout(60_000)
    const upstream = await Upstream.start(
      t,
      answering(() => reply('hello', '200 OK', 'Content-Type: text/plain')),
    )
    const child = startSluice(t, [makeScript(t, script(upstream.port)), `--transport=${transport}`])
    const port = await child.port()
    const open = async (count: number): Promise<TcpClient[]> => {
      const clients: TcpClient[] = []
      while (clients.length < count) {
        const batch = await Promise.all(Array.from({ length: 50 }, () => TcpClient.connect(port)))
        for (const client of batch) t.is((await client.ask(ask('/', 'User-Agent: test/1.0'))).body, 'hello')
        clients.push(...batch)
      }
      t.teardown(() => {
        for (const client of clients) client.destroy()
      })
      return clients
    }
    const warm = await open(500)
    // V8's young generation has its full size then, which is not the price of a connection.
    for (let i = 0; i < 20; i++) await Promise.all(warm.map(client => client.ask(ask('/'))))
    const [first] = warm
    const settle = async (): Promise<number> => {
      for (let i = 0; i < 3; i++)
        t.is(fieldOf((await first?.ask(ask('/gc'))) as never, 'connection'), undefined)
      return memoryOf(child.child.pid as number).now
    }
    const before = await settle()
    await open(connections)
    const each = ((await settle()) - before) / connections
    t.log(`${Math.round(each)} bytes`)
    t.true(each <= (allowedBytes[transport] as number), `${Math.round(each)} bytes`)
  })
}
