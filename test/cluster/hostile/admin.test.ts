/** The admin port, called by who wants it to fail: it answers others, and the process lives. */

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import test, { type ExecutionContext } from 'ava'
import { AdminServer } from '../../../cluster/admin/admin.ts'

async function start(t: ExecutionContext): Promise<{ admin: AdminServer; asked: unknown[][] }> {
  const asked: unknown[][] = []
  const admin = new AdminServer(
    async () => ({ status: {}, metrics: [] }) as never,
    async (...query) => {
      asked.push(query)
      return []
    },
    async () => ({ isReady: true, text: 'ok\n' }),
  )
  await admin.listen('127.0.0.1', 0)
  t.teardown(() => admin.close())
  return { admin, asked }
}

test('queries of any form are read as what they say, or as none', async t => {
  const { admin, asked } = await start(t)
  const ask = async (query: string): Promise<unknown> => {
    asked.length = 0
    const response = await fetch(`http://127.0.0.1:${admin.port}/api/v1/actors?${query}`)
    await response.text()
    return response.status === 200 ? asked[0] : response.status
  }
  t.deepEqual(await ask('limit=5&pipeline=log'), [5, 'log'])
  for (const limit of ['-1', '1e999', 'NaN', '0.5', 'x', '%00', '9'.repeat(400)])
    t.deepEqual(await ask(`limit=${limit}`), [100, undefined], limit)
  t.deepEqual(await ask(`limit=1&pipeline=${'%1b%5b2J'}`), [1, '\x1b[2J'])
  t.deepEqual(await ask(`pipeline=${'p'.repeat(8_000)}`), [100, 'p'.repeat(8_000)])
  t.is(await ask(`pipeline=${'p'.repeat(50_000)}`), 431)
  t.is((await fetch(`http://127.0.0.1:${admin.port}/%`)).status, 404)
})

test('connections beyond those that there can be are closed at once, and answered again when others have gone', async t => {
  t.timeout(20_000)
  const { admin } = await start(t)
  const held: Socket[] = []
  t.teardown(() => {
    for (const socket of held) socket.destroy()
  })
  for (let i = 0; i < 256; i++) {
    const socket = connect(admin.port, '127.0.0.1')
    socket.on('error', () => {})
    held.push(socket)
  }
  await Promise.all(held.map(socket => once(socket, 'connect')))
  const [first, second] = held as [Socket, Socket]
  first.write('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n')
  t.regex(String((await once(first, 'data'))[0]), /^HTTP\/1\.1 200 /)
  const more = connect(admin.port, '127.0.0.1')
  more.on('error', () => {})
  await once(more.resume(), 'close')
  second.end()
  await once(second.resume(), 'close')
  t.is((await fetch(`http://127.0.0.1:${admin.port}/healthz`)).status, 200)
})
