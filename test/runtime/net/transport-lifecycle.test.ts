/** What every transport promises (runtime/net/transport.ts) about making, closing and failing, asked of each of them. */

import { networkInterfaces } from 'node:os'
import { Data } from '../../../runtime/data.ts'
import { TrafficError } from '../../../runtime/errors.ts'
import { startListening } from './support/listening-scenarios.ts'
import { connect, listenOptions, pair, Server } from './support/peers.ts'
import { contract, echo, plainVariants, tlsVariants } from './support/variants.ts'

const all = [...plainVariants, ...tlsVariants]

const hasIPv6 = Object.values(networkInterfaces()).some(list =>
  list?.some(({ address }) => address === '::1'),
)

contract(
  all,
  'closed is told once and last, in a later turn, and nothing after destroy but it',
  async (t, variant) => {
    const { client, server } = await pair(t, variant)
    client.whenData = () => {
      client.connection.destroy()
      client.connection.destroy()
      client.connection.write(new Data('into the void'))
      client.connection.writeLatin1('into the void')
      client.connection.end()
      client.connection.reset()
      t.false(client.told.includes('closed'))
      t.is(client.connection.queuedBytes, 0)
    }
    server.connection.writeLatin1('go')
    server.connection.end()
    await client.untilTold('closed')
    await server.untilTold('closed')
    t.deepEqual(client.told, ['opened', 'data', 'closed'])
    t.is(client.error, undefined)
    t.is(server.told.filter(event => event === 'closed').length, 1)
    client.connection.pause()
    client.connection.resume()
    client.connection.destroy()
  },
)

contract(all, 'writing after end does nothing', async (t, variant) => {
  const { client, server } = await pair(t, variant)
  client.connection.writeLatin1('all')
  client.connection.end()
  client.connection.end()
  client.connection.write(new Data('more'))
  client.connection.writeLatin1('more')
  await server.untilTold('ended')
  t.is(server.text, 'all')
  t.is(client.connection.sentBytes, 3)
})

contract(all, 'the peer sees a destroyed connection as ended', async (t, variant) => {
  const { client, server } = await pair(t, variant)
  client.connection.destroy()
  await server.untilTold('ended')
  server.connection.end()
  await server.untilTold('closed')
  t.is(server.error, undefined)
})

contract(all, 'the peer sees a reset as one', async (t, variant) => {
  for (const which of ['client', 'server'] as const) {
    const ends = await pair(t, variant, echo)
    // There and back, so that TLS has nothing of its own to send any more: that would take the error for itself.
    ends.client.connection.writeLatin1('x')
    await ends.client.untilReceived(1)
    const resetting = ends[which]
    const other = which === 'client' ? ends.server : ends.client
    resetting.connection.reset()
    await Promise.all([resetting.untilTold('closed'), other.untilTold('closed')])
    t.is(resetting.error, undefined)
    t.is(other.error?.code, 'ConnectionReset')
    t.false(other.told.includes('ended'))
    t.regex(other.error?.message ?? '', /127\.0\.0\.1:\d+/)
  }
})

contract(all, 'what is written to a peer that is gone fails as a reset connection', async (t, variant) => {
  const { client, server } = await pair(t, variant)
  server.connection.destroy()
  await client.untilTold('ended')
  while (!client.told.includes('closed')) {
    client.connection.writeLatin1('is there anybody?')
    await new Promise(setImmediate)
  }
  t.is(client.error?.code, 'ConnectionReset')
})

contract(all, 'a connection that nobody listens for is refused, by name', async (t, variant) => {
  const listening = await Server.listen(t, variant)
  const { port } = listening
  listening.listener.close()
  const client = connect(t, variant, port)
  client.connection.writeLatin1('hello')
  t.deepEqual(client.told, [])
  await client.untilTold('closed')
  t.deepEqual(client.told, ['closed'])
  t.is(client.error?.code, 'ConnectionRefused')
  t.true(client.error?.message.includes(`127.0.0.1:${port}`))
})

contract(all, 'a connection destroyed while it is made is closed without an error', async (t, variant) => {
  const listening = await Server.listen(t, variant)
  for (const end of ['destroy', 'reset'] as const) {
    const client = connect(t, variant, listening.port)
    client.connection[end]()
    await client.untilTold('closed')
    t.deepEqual(client.told, ['closed'])
    t.is(client.error, undefined)
  }
})

contract(all, 'an outbound connection comes from the address it is bound to', async (t, variant) => {
  const listening = await Server.listen(t, variant)
  const accepted = listening.next()
  connect(t, variant, listening.port, { bind: '127.0.0.2' })
  t.is((await accepted).connection.remote.address, '127.0.0.2')
})

contract(all, 'an address to bind to that is not ours fails in a later turn', async (t, variant) => {
  const listening = await Server.listen(t, variant)
  for (const bind of ['192.0.2.1', 'nonsense']) {
    const client = connect(t, variant, listening.port, { bind })
    t.deepEqual(client.told, [])
    await client.untilTold('closed')
    t.true(client.error instanceof TrafficError)
  }
})

contract(all, 'IPv6 works the same', async (t, variant) => {
  if (!hasIPv6) return t.pass('no IPv6 here')
  const listening = await Server.listen(t, variant, { address: '::1' })
  listening.whenAccepted = echo
  const client = connect(t, variant, listening.port, { address: '::1' })
  client.connection.writeLatin1('six')
  await client.untilReceived(3)
  t.deepEqual(client.connection.remote, { address: '::1', port: listening.port })
  t.is(client.connection.local.address, '::1')
})

contract(all, 'a listener that is closed keeps the connections it has accepted', async (t, variant) => {
  const { client, listening } = await pair(t, variant, echo)
  listening.listener.close()
  client.connection.writeLatin1('still here')
  await client.untilReceived(10)
  const late = connect(t, variant, listening.port)
  await late.untilTold('closed')
  t.is(late.error?.code, 'ConnectionRefused')
})

contract(all, 'a port that is taken cannot be listened on', async (t, variant) => {
  const listening = await Server.listen(t, variant)
  const error = await t.throwsAsync(
    variant.transport.listen(listenOptions(variant, { port: listening.port }), () => {}),
    { instanceOf: TrafficError },
  )
  t.is(error?.code, 'ListenFailed')
  t.true(error?.message.includes(`127.0.0.1:${listening.port}: EADDRINUSE`))
})

contract(all, 'two listeners share a port when they say so', async (t, variant) => {
  const first = await Server.listen(t, variant, { reusePort: true })
  const second = await Server.listen(t, variant, { reusePort: true, port: first.port })
  t.is(second.port, first.port)
})

contract(plainVariants, 'a connection that is not answered is given up in time', async (t, variant) => {
  const { port } = await startListening(t, { transport: variant.transport.name, backlog: 1, isStuck: true })
  // The kernel keeps two in a backlog of 1, and drops the first packets of all others.
  for (let i = 0; i < 4; i++) connect(t, variant, port)
  const late = connect(t, variant, port, { connectTimeoutMs: 50 })
  await late.untilTold('closed')
  t.deepEqual(late.told, ['closed'])
  t.is(late.error?.code, 'ConnectionTimeout')
  t.true(late.error?.message.includes(`127.0.0.1:${port} did not answer within 50 ms`))
})
