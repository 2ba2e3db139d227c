/** Limits and affinity that hold for a fleet: real nodes with several threads run the same script. */

import test, { type ExecutionContext } from 'ava'
import { startNatsServer } from '../../support/nats-server.ts'
import { makeScript, startSluice } from '../../support/sluice.ts'

const script = `
import { algo, Message, sluice } from 'sluice'
const quota = new algo.Quota(40, { per: '1h', cluster: 'requests' })
const balancer = new algo.AffinityLoadBalancer(['a:80', 'b:80', 'c:80'])
export default sluice()
  .listen('127.0.0.1:0')
  .demuxHTTP().to($ => $.replaceMessage(msg =>
    msg.head.path.startsWith('/target/')
      ? new Message(balancer.select(msg.head.path))
      : new Message({ status: quota.consume(1) === 1 ? 200 : 429 })))
`

async function twoNodes(t: ExecutionContext): Promise<[number, number]> {
  const { url } = await startNatsServer(t)
  const file = makeScript(t, script)
  const nodes = ['n-1', 'n-2'].map(name =>
    startSluice(t, [file, `--nats=${url}`, '--cluster=limits', `--node=${name}`, '--threads=2']),
  )
  return (await Promise.all(nodes.map(node => node.port()))) as [number, number]
}

test('all nodes together let through what the quota has, from the first request on', async t => {
  const ports = await twoNodes(t)
  // A connection of its own for each, so that they come to all threads.
  const get = async (port: number): Promise<number> =>
    (await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' } })).status
  t.is(await get(ports[0]), 200)
  t.is(await get(ports[1]), 200)
  const statuses = await Promise.all(Array.from({ length: 160 }, (_, i) => get(ports[i % 2] as number)))
  const through = 2 + statuses.filter(status => status === 200).length
  t.true(through <= 40, `${through}`)
  t.true(statuses.includes(429))
})

test('a session key gets the same target from every node and thread', async t => {
  const ports = await twoNodes(t)
  for (let key = 0; key < 10; key++) {
    const targets = await Promise.all(
      Array.from({ length: 8 }, async (_, i) => {
        const url = `http://127.0.0.1:${ports[i % 2]}/target/${key}`
        return (await fetch(url, { headers: { connection: 'close' } })).text()
      }),
    )
    t.is(new Set(targets).size, 1, `${targets}`)
  }
})
