/** subscribe and publish on real nodes: threads and nodes share a subscription, and a reload or a drain loses none of it. */

import { connect, type NatsConnection } from '@nats-io/transport-node'
import ava, { type ExecutionContext } from 'ava'
import { startNatsServer } from '../support/nats-server.ts'
import { Occurrences } from '../support/occurrences.ts'
import { makeScript, runSluice, type SluiceProcess, startSluice } from '../support/sluice.ts'

const test = ava.serial

const script = `
import { sluice } from 'sluice'
export default sluice()
  .listen('127.0.0.1:0').dummy()
  .subscribe('jobs').publish('done').dummy()
  .subscribe('news', { group: false }).publish('read').dummy()
`

interface Stage {
  readonly url: string
  readonly other: NatsConnection
  readonly done: Occurrences<string>
  readonly read: Occurrences<string>
}

async function stage(t: ExecutionContext): Promise<Stage> {
  const { url } = await startNatsServer(t)
  const other = await connect({ servers: url })
  t.teardown(() => other.close())
  const done = new Occurrences<string>()
  const read = new Occurrences<string>()
  other.subscribe('done', { callback: (_error, message) => done.add(message.string()) })
  other.subscribe('read', { callback: (_error, message) => read.add(message.string()) })
  await other.flush()
  return { url, other, done, read }
}

const start = (t: ExecutionContext, url: string, name: string, threads: number): SluiceProcess =>
  startSluice(t, [makeScript(t, script), `--nats=${url}`, `--node=${name}`, `--threads=${threads}`])

/** Publishes until so many copies come back: then that many threads have subscribed. */
async function untilSubscribed({ other, read }: Stage, copies: number): Promise<void> {
  for (let i = 0; ; i++) {
    const news = `hello ${i}`
    other.publish('news', news)
    await read.next(text => text === news)
    // The threads that were there had it at the same time: the server sends to all before it answers this.
    await other.flush()
    await new Promise(resolve => setTimeout(resolve, 20))
    if (read.seen.filter(text => text === news).length === copies) return
  }
}

test('of two nodes with two threads each, one thread takes each message; without a group all four do', async t => {
  const all = await stage(t)
  const nodes = [start(t, all.url, 'n-1', 2), start(t, all.url, 'n-2', 2)]
  await Promise.all(nodes.map(node => node.port()))
  await untilSubscribed(all, 4)
  const jobs = Array.from({ length: 200 }, (_, i) => `job ${i}`)
  for (const job of jobs) all.other.publish('jobs', job)
  all.other.publish('jobs', 'last')
  await all.done.next(text => text === 'last')
  await all.other.flush()
  // Other threads may still be at theirs when the last is done.
  while (all.done.seen.length < 201) await all.done.next()
  t.deepEqual(all.done.seen.filter(text => text !== 'last').sort(), [...jobs].sort())
  const edges = await runSluice(t, ['edges', `--nats=${all.url}`, '--json', '--by-node'])
  const rows = JSON.parse(edges.stdout) as {
    from: string
    kind: string
    delivered: number
    missing: number
  }[]
  const took = rows.filter(({ kind, from }) => kind === 'subscribe' && from === 'jobs')
  t.is(
    took.reduce((sum, { delivered }) => sum + delivered, 0),
    201,
  )
  t.is(took.length, 2, 'both nodes took their part')
  t.true(rows.every(({ missing }) => missing === 0))
})

test('a node that drains leaves its part to the others, and messages go on without a gap', async t => {
  const all = await stage(t)
  const [first, second] = [start(t, all.url, 'n-1', 1), start(t, all.url, 'n-2', 1)]
  await Promise.all([first.port(), second.port()])
  await untilSubscribed(all, 2)
  let sent = 0
  const sending = setInterval(() => all.other.publish('jobs', String(sent++)), 2)
  t.teardown(() => clearInterval(sending))
  await all.done.next(text => Number(text) > 50)
  first.signal('SIGTERM')
  t.is((await first.exited).code, 0)
  const then = sent
  await all.done.next(text => Number(text) > then + 50)
  clearInterval(sending)
  const got = new Set(all.done.seen.map(Number))
  t.is(got.size, all.done.seen.length, 'none twice')
  const missing = Array.from({ length: then }, (_, i) => i).filter(i => !got.has(i))
  t.deepEqual(missing, [])
})
