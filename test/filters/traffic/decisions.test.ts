/** Which exchanges are logged, what is added to their documents, where these go, and that each exchange is counted once. */

import test, { type ExecutionContext } from 'ava'
import { type LogTrafficOptions, sluice } from '../../../actors/index.ts'
import type { SinkOutcome } from '../../../actors/sink.ts'
import { MemorySinks } from '../../support/memory-sinks.ts'
import { Occurrences } from '../../support/occurrences.ts'
import { type RunningProxy, serve } from '../../support/proxy.ts'
import { answering, ask, reply, Upstream } from '../../support/upstream.ts'
import { startLogging } from './support.ts'

/** Answers with the status that the path names, and late when it says so. */
const byPath = (t: ExecutionContext): Promise<Upstream> =>
  Upstream.start(
    t,
    answering(({ startLine }) => reply('fine', `${/\d+/.exec(startLine)?.[0]} Status`)),
  )

/** Paths of the exchanges that are logged of some, in order. */
async function loggedOf(
  t: ExecutionContext,
  options: LogTrafficOptions<Record<never, never>>,
  ...paths: string[]
): Promise<string[]> {
  const { port } = await byPath(t)
  const { proxy, sinks } = await startLogging(t, port, options)
  const client = await proxy.client()
  for (const path of paths) await client.ask(ask(path))
  client.destroy()
  await proxy.settled()
  const edge = edgeOf(proxy)
  t.is(edge.accepted, paths.length)
  t.is(edge.delivered, sinks.entries.length)
  t.is(edge.dropped['not-sampled'] ?? 0, paths.length - sinks.entries.length)
  return sinks.documents.seen.map(({ url }) => url.path)
}

function edgeOf({ running }: RunningProxy) {
  const edge = running.host.status().edges.find(({ from }) => from.endsWith('.logTraffic'))
  if (edge === undefined) throw new Error('logTraffic has no edge')
  return edge
}

test('a sample of none logs nothing, and counts what it leaves out', async t => {
  t.deepEqual(await loggedOf(t, { sample: 0 }, '/200', '/500'), [])
})

test('a sample logs its share', async t => {
  const paths = Array.from({ length: 400 }, () => '/200')
  const { length } = await loggedOf(t, { sample: 0.5 }, ...paths)
  t.true(length > 120 && length < 280, String(length))
})

test('errors are kept whatever the sample is, with their bodies', async t => {
  t.deepEqual(await loggedOf(t, { sample: 0, keep: { errors: true } }, '/200', '/500', '/404', '/503'), [
    '/500',
    '/503',
  ])
})

test('slow exchanges are kept whatever the sample is', async t => {
  t.deepEqual(await loggedOf(t, { sample: 0, keep: { slowerThan: '0.001ms' } }, '/200'), ['/200'])
  t.deepEqual(await loggedOf(t, { sample: 0, keep: { slowerThan: '10m' } }, '/200'), [])
})

test('when decides by the whole exchange and the context', async t => {
  t.deepEqual(
    await loggedOf(
      t,
      {
        when: ({ request, response, status, requestBytes, responseBytes, durationMs, error }, ctx) =>
          request.headers.host === 'test' &&
          response?.headers['content-length'] === undefined &&
          requestBytes === 0 &&
          responseBytes === 4 &&
          durationMs > 0 &&
          error === '' &&
          ctx.__inbound !== undefined &&
          status === 404,
      },
      '/200',
      '/404',
    ),
    ['/404'],
  )
})

test('a callback that throws does not lose the document, and is reported', async t => {
  const { port } = await byPath(t)
  const { proxy, next } = await startLogging(t, port, {
    when: () => {
      throw new Error('when?')
    },
    fields: () => {
      throw new Error('fields?')
    },
  })
  const client = await proxy.client()
  await client.ask(ask('/200'))
  t.like(await next(), { url: { path: '/200' } })
  const told = proxy.running.logs.map(({ message }) => message).join('\n')
  t.regex(told, /when\?[\s\S]*fields\?/)
})

test('fields are added to the document, into the objects that it has', async t => {
  const { port } = await byPath(t)
  const { proxy, next } = await startLogging(t, port, {
    fields: ({ status }) => ({
      labels: { tenant: 'a"b' },
      event: { reason: `status ${status}` },
      tags: ['x'],
    }),
  })
  const client = await proxy.client()
  await client.ask(ask('/200'))
  t.like(await next(), {
    labels: { tenant: 'a"b' },
    tags: ['x'],
    event: { reason: 'status 200', outcome: 'success' },
    http: { response: { status_code: 200 } },
  })
})

test('a member that fields gives as undefined is taken out of the document, and null is written', async t => {
  const { port } = await byPath(t)
  const { proxy, next } = await startLogging(t, port, {
    fields: () => ({
      user_agent: undefined,
      labels: { tenant: 'a', shop: undefined },
      http: { request: { headers: undefined } },
      source: { port: null },
      absent: undefined,
      nor: { this: undefined },
    }),
  })
  const client = await proxy.client()
  await client.ask('GET /200 HTTP/1.1\r\nHost: a\r\nUser-Agent: b\r\n\r\n')
  const document = await next()
  t.false('user_agent' in document)
  t.false('headers' in document.http.request)
  t.is(document.http.request.method, 'GET')
  t.like(document, { labels: { tenant: 'a' }, source: { port: null, ip: '127.0.0.1' } })
  t.false('shop' in document.labels)
  t.false('absent' in document)
  await client.ask(ask('/200'))
  t.false('user_agent' in (await next()), 'and the next one, too')
})

test('fields that JSON cannot say are a fault that is told, and cost no exchange and no document', async t => {
  const { port } = await byPath(t)
  const circle: { self?: unknown; none?: undefined } = { none: undefined }
  circle.self = circle
  const values: object[] = [{ big: 1n }, circle, { toJSON: () => undefined }]
  const { proxy, next } = await startLogging(t, port, { fields: () => values.shift() ?? {} })
  const client = await proxy.client()
  for (let i = 0; i < 3; i++) {
    t.regex((await client.ask(ask('/200'))).startLine, / 200 /)
    t.like(await next(), { url: { path: '/200' } })
  }
  t.is(proxy.running.logs.filter(({ message }) => /fields of/.test(message)).length, 3)
})

test('each outcome of the sink is counted once, and what waits is in flight', async t => {
  const { port } = await byPath(t)
  const { proxy, sinks } = await startLogging(t, port)
  const outcomes: (SinkOutcome | undefined)[] = [
    { kind: 'stored' },
    { kind: 'duplicate' },
    { kind: 'dead-lettered', reason: 'mapping' },
    { kind: 'dropped', reason: 'full' },
    undefined,
  ]
  sinks.outcome = index => outcomes[index]
  const client = await proxy.client()
  for (const _ of outcomes) await client.ask(ask('/200'))
  t.like(edgeOf(proxy), {
    accepted: 5,
    delivered: 1,
    duplicate: 1,
    deadLettered: 1,
    dropped: { full: 1 },
    inFlight: 1,
  })
  sinks.settleAll({ kind: 'stored' })
  client.destroy()
  await proxy.settled()
  t.like(edgeOf(proxy), { delivered: 2, inFlight: 0 })
})

for (const placement of ['local', 'node'] as const) {
  test(`documents go as messages to a pipeline with placement '${placement}'`, async t => {
    const { port } = await byPath(t)
    const messages = new Occurrences<{
      head: { id: string; timeMs: number }
      document: { event: { id: string } }
    }>()
    const proxy = await serve(
      t,
      sluice()
        .listen('127.0.0.1:0')
        .demuxHTTP()
        .to($ =>
          $.logTraffic({ bodies: true })
            .to('log')
            .muxHTTP()
            .to($ => $.connect(`127.0.0.1:${port}`)),
        )
        .pipeline<{ id: string; timeMs: number }>('log', { placement: placement as 'local' })
        .handleMessage(message =>
          messages.add({ head: message.head, document: JSON.parse(message.body?.toString() ?? '') }),
        ),
    )
    const client = await proxy.client()
    for (let i = 0; i < 3; i++) {
      await client.ask(ask('/200'))
      const { head, document } = await messages.next()
      t.is(head.id, document.event.id)
      t.true(Math.abs(head.timeMs - Date.now()) < 60_000)
      t.like(document, { http: { response: { status_code: 200 } } })
    }
    client.destroy()
    await proxy.settled()
    t.is(edgeOf(proxy).inFlight, 0)
    await proxy.running.host.drain(60_000)
  })
}

test('a sink that is not there, or that refuses an option, is told when the script is read', async t => {
  const refused = async (build: () => unknown, message: RegExp): Promise<void> => {
    await t.throwsAsync(serve(t, build(), 'handle', { sinks: new MemorySinks() }), { message })
  }
  const log = (...args: unknown[]): unknown =>
    sluice()
      .listen('127.0.0.1:0')
      .demuxHTTP()
      .to($ => ($.logTraffic as (...args: unknown[]) => typeof $)(...args))
  await refused(() => log('elasticseerch'), /there is no sink 'elasticseerch'/)
  await refused(() => log('stdout', { nod: 'x' }), /sink 'stdout' has no option 'nod'/)
  await refused(
    () => log('stdout', { sample: 2 }),
    /option 'sample' of logTraffic wants a number from 0 to 1/,
  )
  await refused(
    () => log('stdout', { bodies: { limt: 1 } }),
    /option bodies of logTraffic has no option 'limt'/,
  )
  await refused(() => log('stdout', { redact: ['$.a..'] }), /a JSON path is written like/)
  await refused(
    () => log('stdout', { redact: [1] }),
    /redact takes names, regular expressions and JSON paths, and got 1/,
  )
  await refused(() => log(), /logTraffic wants a pipeline to send to/)
  await refused(() => log({ nod: 'x' }), /logTraffic/)
})
