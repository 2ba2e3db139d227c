import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import test, { type ExecutionContext } from 'ava'
import { TrafficError } from '../../../runtime/errors.ts'
import { ListeningSockets } from '../../../runtime/net/listening-sockets.ts'
import type { ListeningWork } from './support/listening-worker.ts'
import { connect, Server } from './support/peers.ts'
import { contract, plainVariants } from './support/variants.ts'

const address = '127.0.0.1'

function open(t: ExecutionContext): ListeningSockets {
  const sockets = new ListeningSockets()
  t.teardown(() => sockets.close())
  return sockets
}

/** A thread that listens. */
async function start(
  t: ExecutionContext,
  work: Omit<ListeningWork, 'backlog' | 'isStuck'> & Partial<ListeningWork>,
) {
  const worker = new Worker(new URL('support/listening-worker.ts', import.meta.url), {
    workerData: { backlog: 64, isStuck: false, ...work },
  })
  t.teardown(() => worker.terminate())
  await once(worker, 'message')
  return worker
}

contract(plainVariants, 'nothing is refused or lost while a thread is replaced', async (t, variant) => {
  const sockets = open(t)
  const wanted = { address, port: 0, slot: 0, reusePort: false }
  const first = await sockets.acquire(wanted)
  const transport = variant.transport.name
  const worker = await start(t, { fd: first.fd, transport, greeting: 'first' })
  const early = connect(t, variant, first.port)
  await early.untilReceived(5)
  t.is(early.text, 'first')

  await worker.terminate()
  await early.until(() => early.told.includes('ended') || early.told.includes('closed'))

  // Nobody accepts now; the kernel does, and keeps them.
  const waiting = Array.from({ length: 20 }, () => connect(t, variant, first.port))
  await Promise.all(waiting.map(peer => peer.untilTold('opened')))
  t.true(waiting.every(peer => peer.connection.receivedBytes === 0))

  const second = await sockets.acquire(wanted)
  t.is(second.port, first.port)
  await start(t, { fd: second.fd, transport, greeting: 'second' })
  await Promise.all(waiting.map(peer => peer.untilReceived(6)))
  t.true(waiting.every(peer => peer.text === 'second'))
})

test('threads may come and go often', async t => {
  const sockets = open(t)
  const [variant] = plainVariants
  for (let i = 0; i < 5; i++) {
    const { fd, port } = await sockets.acquire({ address, port: 0, slot: 0, reusePort: false })
    const worker = await start(t, { fd, transport: 'handle', greeting: `thread ${i}` })
    const peer = connect(t, variant as never, port)
    await peer.untilReceived(8)
    t.is(peer.text, `thread ${i}`)
    await worker.terminate()
  }
})

test('all slots share the port that the first one got, each with a socket of its own', async t => {
  const sockets = open(t)
  const acquired = await Promise.all(
    [0, 1, 2].map(slot => sockets.acquire({ address, port: 0, slot, reusePort: false })),
  )
  t.is(new Set(acquired.map(({ port }) => port)).size, 1)
  t.is(new Set(acquired.map(({ fd }) => fd)).size, 3)
})

contract(
  plainVariants,
  'a port that another listens on is refused, unless it is to be shared',
  async (t, variant) => {
    const { port } = await Server.listen(t, variant, { reusePort: true })
    const sockets = open(t)
    const error = await t.throwsAsync(sockets.acquire({ address, port, slot: 0, reusePort: false }), {
      instanceOf: TrafficError,
    })
    t.is(error?.code, 'ListenFailed')
    t.true(error?.message.includes(`${address}:${port}: EADDRINUSE`))
    t.is((await sockets.acquire({ address, port, slot: 0, reusePort: true })).port, port)
  },
)

test('an address that is not of this machine is refused', async t => {
  const error = await t.throwsAsync(
    open(t).acquire({ address: '192.0.2.1', port: 80, slot: 0, reusePort: false }),
    { instanceOf: TrafficError },
  )
  t.is(error?.code, 'ListenFailed')
  t.regex(error?.message ?? '', /192\.0\.2\.1:80: EADDRNOTAVAIL/)
})

contract(plainVariants, 'a released port is refused when its thread is gone', async (t, variant) => {
  const sockets = open(t)
  const { fd, port } = await sockets.acquire({ address, port: 0, slot: 0, reusePort: false })
  const worker = await start(t, { fd, transport: variant.transport.name, greeting: 'hello' })
  sockets.release(address, port)
  const served = connect(t, variant, port)
  await served.untilReceived(5)
  await worker.terminate()
  const late = connect(t, variant, port)
  await late.untilTold('closed')
  t.is(late.error?.code, 'ConnectionRefused')
})

contract(plainVariants, 'a connection that is not answered is given up in time', async (t, variant) => {
  const { fd, port } = await open(t).acquire({ address, port: 0, slot: 0, reusePort: false })
  await start(t, { fd, transport: variant.transport.name, greeting: '', backlog: 1, isStuck: true })
  // The kernel keeps two in a backlog of 1, and drops the first packets of all others.
  for (let i = 0; i < 4; i++) connect(t, variant, port)
  const late = connect(t, variant, port, { connectTimeoutMs: 50 })
  await late.untilTold('closed')
  t.deepEqual(late.told, ['closed'])
  t.is(late.error?.code, 'ConnectionTimeout')
  t.true(late.error?.message.includes(`${address}:${port} did not answer within 50 ms`))
})

test('after close there is nothing to be had', async t => {
  const sockets = open(t)
  sockets.close()
  await t.throwsAsync(sockets.acquire({ address, port: 0, slot: 0, reusePort: false }), {
    instanceOf: TrafficError,
  })
})
