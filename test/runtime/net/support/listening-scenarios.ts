/**
 * What the main thread's sockets promise (runtime/net/listening-sockets.ts). A program: it runs the scenario named by
 * its second argument over the transport named by its first, since tests themselves run on threads.
 */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { TrafficError } from '../../../../runtime/errors.ts'
import { ListeningSockets } from '../../../../runtime/net/listening-sockets.ts'
import { netTransport } from '../../../../runtime/net/node-net.ts'
import { handleTransport } from '../../../../runtime/net/tcp-handle.ts'
import type { ListeningWork } from './listening-worker.ts'
import { connect, type Scope, Server, type Variant } from './peers.ts'

const address = '127.0.0.1'
const wanted = { address, port: 0, slot: 0, reusePort: false }

interface Stage extends Scope {
  readonly variant: Variant
  readonly sockets: ListeningSockets
}

/** A thread that listens. */
export async function startListening(
  scope: Scope,
  work: Partial<ListeningWork> & Pick<ListeningWork, 'transport'>,
) {
  const worker = new Worker(new URL('listening-worker.ts', import.meta.url), {
    workerData: { fd: undefined, backlog: 64, isStuck: false, greeting: '', ...work },
  })
  scope.teardown(() => worker.terminate())
  const [port] = (await once(worker, 'message')) as [number]
  return { worker, port }
}

export const scenarios: Readonly<Record<string, (stage: Stage) => Promise<void>>> = {
  async 'nothing is refused or lost while a thread is replaced'(stage) {
    const { sockets, variant } = stage
    const transport = variant.transport.name
    const first = await sockets.acquire(wanted)
    const { worker } = await startListening(stage, { fd: first.fd, transport, greeting: 'first' })
    const early = connect(stage, variant, first.port)
    await early.untilReceived(5)
    assert.equal(early.text, 'first')

    await worker.terminate()
    await early.until(() => early.told.includes('ended') || early.told.includes('closed'))

    // Nobody accepts now; the kernel does, and keeps them.
    const waiting = Array.from({ length: 20 }, () => connect(stage, variant, first.port))
    await Promise.all(waiting.map(peer => peer.untilTold('opened')))
    assert(waiting.every(peer => peer.connection.receivedBytes === 0))

    const second = await sockets.acquire(wanted)
    assert.equal(second.port, first.port)
    await startListening(stage, { fd: second.fd, transport, greeting: 'second' })
    await Promise.all(waiting.map(peer => peer.untilReceived(6)))
    assert(waiting.every(peer => peer.text === 'second'))
  },

  async 'threads may come and go often'(stage) {
    const { sockets, variant } = stage
    for (let i = 0; i < 5; i++) {
      const { fd, port } = await sockets.acquire(wanted)
      const greeting = `thread ${i}`
      const { worker } = await startListening(stage, { fd, transport: variant.transport.name, greeting })
      const peer = connect(stage, variant, port)
      await peer.untilReceived(8)
      assert.equal(peer.text, greeting)
      await worker.terminate()
    }
  },

  async 'all slots share the port that the first one got, each with a socket of its own'({ sockets }) {
    const acquired = await Promise.all([0, 1, 2].map(slot => sockets.acquire({ ...wanted, slot })))
    assert.equal(new Set(acquired.map(({ port }) => port)).size, 1)
    assert.equal(new Set(acquired.map(({ fd }) => fd)).size, 3)
  },

  async 'a port that another listens on is refused, unless it is to be shared'(stage) {
    const { port } = await Server.listen(stage, stage.variant, { reusePort: true })
    await assert.rejects(stage.sockets.acquire({ ...wanted, port }), (error: TrafficError) => {
      assert.equal(error.code, 'ListenFailed')
      return error.message.includes(`${address}:${port}: EADDRINUSE`)
    })
    assert.equal((await stage.sockets.acquire({ ...wanted, port, reusePort: true })).port, port)
  },

  async 'an address that is not of this machine is refused'({ sockets }) {
    await assert.rejects(
      sockets.acquire({ ...wanted, address: '192.0.2.1', port: 80 }),
      (error: TrafficError) => {
        assert.equal(error.code, 'ListenFailed')
        return error.message.includes('192.0.2.1:80: EADDRNOTAVAIL')
      },
    )
  },

  async 'a released port is refused when its thread is gone'(stage) {
    const { sockets, variant } = stage
    const { fd, port } = await sockets.acquire(wanted)
    const { worker } = await startListening(stage, {
      fd,
      transport: variant.transport.name,
      greeting: 'hello',
    })
    sockets.release(address, port)
    const served = connect(stage, variant, port)
    await served.untilReceived(5)
    await worker.terminate()
    const late = connect(stage, variant, port)
    await late.untilTold('closed')
    assert.equal(late.error?.code, 'ConnectionRefused')
  },

  async 'after close there is nothing to be had'({ sockets }) {
    sockets.close()
    await assert.rejects(sockets.acquire(wanted), TrafficError)
  },
}

if (import.meta.main) {
  const [name, title = ''] = process.argv.slice(2)
  const transport = name === 'net' ? netTransport : handleTransport
  const cleanings: (() => unknown)[] = []
  const sockets = new ListeningSockets()
  const scenario = scenarios[title]
  assert(scenario, `no scenario '${title}'`)
  await scenario({
    variant: { name: transport.name, transport },
    sockets,
    teardown: clean => cleanings.push(clean),
  })
  for (const clean of cleanings) await clean()
  // What is left must not keep the process alive: it ends by itself, or the test runner ends it as hanging.
  sockets.close()
}
