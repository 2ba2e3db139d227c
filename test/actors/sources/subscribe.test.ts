/** subscribe: what others publish is a stream of messages; what wants a reply is answered. On a real nats-server. */

import { connect, headers, type NatsConnection } from '@nats-io/transport-node'
import ava, { type ExecutionContext } from 'ava'
import type { LedgerRow } from '../../../actors/host.ts'
import { Data, Message, StreamEnd, sluice } from '../../../actors/index.ts'
import type { ThreadHost } from '../../../actors/thread-host.ts'
import { connectBus, type NatsServer, startNatsServer } from '../../support/nats-server.ts'
import { Occurrences } from '../../support/occurrences.ts'
import { type RunningScript, runScript } from '../../support/run-script.ts'

interface Stage {
  readonly server: NatsServer
  /** A program that is not Sluice. */
  readonly other: NatsConnection
  run(script: unknown): Promise<RunningScript>
}

const stage = async (t: ExecutionContext): Promise<Stage> => {
  const server = await startNatsServer(t)
  const other = await connect({ servers: server.url })
  t.teardown(() => other.close())
  return {
    server,
    other,
    async run(script) {
      const bus = await connectBus(t, server.url)
      const running = await runScript(t, script, 'handle', {
        subjectSpace: { subjects: bus, cluster: 'test' },
      })
      // What was subscribed to is known to the server from here on.
      await bus.flush()
      return running
    },
  }
}

const test = ava.serial

const row = (host: ThreadHost, kind: LedgerRow['kind']): LedgerRow =>
  host.status().edges.find(edge => edge.kind === kind) as LedgerRow

const isBalanced = ({
  accepted,
  delivered,
  duplicate,
  deadLettered,
  dropped,
  inFlight,
}: LedgerRow): boolean =>
  accepted ===
  delivered + duplicate + deadLettered + inFlight + Object.values(dropped).reduce((sum, n) => sum + n, 0)

test('what is published to a subject comes in order, as messages of one stream', async t => {
  const { other, run } = await stage(t)
  const got = new Occurrences<string>()
  const { host } = await run(
    sluice({ n: 0 })
      .subscribe('orders.*')
      .handleMessage((msg, ctx) => {
        ctx.n++
        got.add(`${ctx.n} ${msg.head.subject} ${msg.head.headers.Kind ?? '-'} ${msg.body?.toString()}`)
      })
      .dummy(),
  )
  const fields = headers()
  fields.set('Kind', 'new')
  other.publish('orders.a', 'one', { headers: fields })
  other.publish('orders.b', 'two')
  other.publish('others.a', 'none of ours')
  other.publish('orders.c')
  await got.next(text => text.startsWith('3'))
  t.deepEqual(got.seen, ['1 orders.a new one', '2 orders.b - two', '3 orders.c - '])
  t.like(row(host, 'subscribe'), { from: 'orders.*', accepted: 3, delivered: 3, inFlight: 0 })
})

test('of those who subscribe in one pipeline of one cluster, one gets each message; without a group all do', async t => {
  const { other, run } = await stage(t)
  const shared = new Occurrences<string>()
  const all = new Occurrences<string>()
  const script = (): unknown =>
    sluice()
      .subscribe('jobs')
      .handleMessage(msg => shared.add(String(msg.body)))
      .dummy()
      .subscribe('news', { group: false })
      .handleMessage(msg => all.add(String(msg.body)))
      .dummy()
  await run(script())
  await run(script())
  for (let i = 0; i < 100; i++) other.publish('jobs', String(i))
  other.publish('news', 'extra')
  await all.next()
  await all.next()
  t.is(all.seen.length, 2)
  // NATS keeps the order of one publisher per subscriber: when the news have come, so have the jobs.
  t.deepEqual(
    shared.seen.map(Number).sort((a, b) => a - b),
    Array.from({ length: 100 }, (_, i) => i),
  )
})

test('a request is answered with the first message that comes out, with its headers', async t => {
  const { other, run } = await stage(t)
  const { host } = await run(
    sluice()
      .subscribe('double')
      .replaceMessage(
        msg => new Message({ headers: { Unit: 'eggs' } }, String(Number(msg.body?.toString()) * 2)),
      ),
  )
  const replies = await Promise.all([1, 2, 3].map(n => other.request('double', String(n), { timeout: 5000 })))
  t.deepEqual(
    replies.map(reply => reply.string()),
    ['2', '4', '6'],
  )
  t.is(replies[0]?.headers?.get('Unit'), 'eggs')
  t.like(row(host, 'subscribe'), { accepted: 3, delivered: 3 })
  t.like(row(host, 'publish'), { to: 'replies', accepted: 3, delivered: 3 })
  t.is(host.status().sessions, 0)
})

test('answers that take their time go to those who asked', async t => {
  const { other, run } = await stage(t)
  const gates = new Map<string, () => void>()
  const opened = new Occurrences<string>()
  await run(
    sluice()
      .subscribe('slow')
      .replaceMessage(async msg => {
        const name = String(msg.body)
        await new Promise<void>(resolve => {
          gates.set(name, resolve)
          opened.add(name)
        })
        return new Message(`for ${name}`)
      }),
  )
  const first = other.request('slow', 'first', { timeout: 5000 })
  const second = other.request('slow', 'second', { timeout: 5000 })
  await opened.next()
  await opened.next()
  gates.get('second')?.()
  t.is((await second).string(), 'for second')
  gates.get('first')?.()
  t.is((await first).string(), 'for first')
})

test('a request that fails is answered with what failed, as services of NATS do, and the next one is served', async t => {
  const { other, run } = await stage(t)
  const { logs } = await run(
    sluice()
      .subscribe('div')
      .handleMessage(msg => {
        if (String(msg.body) === '0') throw new Error('not by zero')
      })
      .replaceMessage(() => new Message('ok'))
      .subscribe('mute')
      .replaceMessage(() => new StreamEnd()),
  )
  const failed = await other.request('div', '0', { timeout: 5000 })
  t.is(failed.headers?.get('Nats-Service-Error-Code'), '500')
  t.is(failed.headers?.get('Nats-Service-Error'), 'A script callback failed')
  t.true(logs.some(({ message }) => message.includes('not by zero')))
  t.is((await other.request('div', '1', { timeout: 5000 })).string(), 'ok')
  const mute = await other.request('mute', '', { timeout: 5000 })
  t.regex(String(mute.headers?.get('Nats-Service-Error')), /without a reply/)
})

test('more requests than are taken at one time are answered at once, and so is one that takes too long', async t => {
  const { other, run } = await stage(t)
  const { host } = await run(
    sluice()
      .subscribe('never', { maxRequests: 1, requestTimeout: '500ms' })
      .wait(() => false),
  )
  const first = other.request('never', '', { timeout: 10_000 })
  const second = await other.request('never', '', { timeout: 5000 })
  t.is(second.headers?.get('Nats-Service-Error-Code'), '503')
  t.is((await first).headers?.get('Nats-Service-Error-Code'), '504')
  t.deepEqual(row(host, 'subscribe').dropped, { requests: 1 })
  t.true(isBalanced(row(host, 'subscribe')))
  t.is(host.status().sessions, 0)
})

test('with replies off, what wants a reply is in the stream like all messages', async t => {
  const { other, run } = await stage(t)
  const got = new Occurrences<string>()
  await run(
    sluice()
      .subscribe('events', { replies: false })
      .handleMessage(msg => got.add(`${msg.body} ${msg.head.reply}`))
      .dummy(),
  )
  other.publish('events', 'a', { reply: 'somewhere' })
  t.is(await got.next(), 'a somewhere')
})

test('a pipeline that cannot keep up has its window; what finds no room is dropped and counted', async t => {
  const { other, run } = await stage(t)
  const holding = Promise.withResolvers<void>()
  const got = new Occurrences<string>()
  const { host } = await run(
    sluice()
      .subscribe('flood', { window: '64k' })
      .handleMessage(async msg => {
        got.add(String(msg.body).slice(0, 4))
        await holding.promise
      })
      .dummy(),
  )
  const payload = 'x'.repeat(4096)
  for (let i = 0; i < 200; i++) other.publish('flood', `${String(i).padStart(4, '0')}${payload}`)
  await other.flush()
  while (row(host, 'subscribe').accepted < 200) await new Promise(resolve => setImmediate(resolve))
  const { dropped, inFlight } = row(host, 'subscribe')
  t.true((dropped.window as number) > 100, JSON.stringify(dropped))
  t.true(inFlight > 0 && inFlight * 4100 < 66_000, String(inFlight))
  t.true(isBalanced(row(host, 'subscribe')))
  holding.resolve()
  while (row(host, 'subscribe').inFlight > 0) await new Promise(resolve => setImmediate(resolve))
  t.true(isBalanced(row(host, 'subscribe')))
  t.deepEqual(got.seen, [...got.seen].sort())
  t.is(got.seen.length, row(host, 'subscribe').delivered)
})

test('a session whose pipeline throws ends alone: the next message begins another', async t => {
  const { other, run } = await stage(t)
  const got = new Occurrences<string>()
  await run(
    sluice({ count: 0 })
      .subscribe('s')
      .handleMessage((msg, ctx) => {
        if (String(msg.body) === 'bad') throw new Error('bad one')
        got.add(`${msg.body} ${++ctx.count}`)
      })
      .replaceStreamEnd(() => new StreamEnd())
      .dummy(),
  )
  for (const text of ['a', 'b', 'bad', 'c']) other.publish('s', text)
  await got.next(text => text.startsWith('c'))
  t.deepEqual(got.seen, ['a 1', 'b 2', 'c 1'])
})

test('a drain takes no more, gives what waits, and ends the stream in order, so that batches are written', async t => {
  const { other, run } = await stage(t)
  const batches = new Occurrences<string>()
  const { host } = await run(
    sluice()
      .subscribe('log')
      .pack(100)
      .handleMessage(msg => batches.add(String(msg.body)))
      .dummy(),
  )
  other.publish('log', new Uint8Array([97]))
  other.publish('log', new Data('b').bytes())
  await other.flush()
  while (row(host, 'subscribe').delivered < 2) await new Promise(resolve => setImmediate(resolve))
  await host.drain(5000)
  t.deepEqual(batches.seen, ['ab'])
  t.is(host.status().sessions, 0)
})

test('a script that subscribes or publishes does not start in a process that is in no cluster, and says what to do', async t => {
  const subscribing = await t.throwsAsync(runScript(t, sluice().subscribe('a').dummy()))
  t.regex(subscribing?.message ?? '', /subscribe\('a'\) wants NATS.*--nats=/)
  const publishing = await t.throwsAsync(runScript(t, sluice().task('1h').publish('a').dummy()))
  t.regex(publishing?.message ?? '', /publish wants NATS.*--nats=/)
})

for (const [subject, complaint] of [
  ['a b', /has a space/],
  ['', /is text/],
  ['a..b', /empty part/],
  ['a.>.b', /in the middle/],
  ['>', /takes everything/],
  ['*.>', /takes everything/],
  ['$SYS.a', /of NATS or of Sluice/],
  ['sluice.shop.x', /of NATS or of Sluice/],
] as const)
  test(`subscribe refuses the subject '${subject}' when the script is read`, async t => {
    const error = await t.throwsAsync(runScript(t, sluice().subscribe(subject).dummy()))
    t.regex(error?.message ?? '', complaint)
  })
