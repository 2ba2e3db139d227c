/** mirror copies requests to another upstream, and finds where the two answer differently. */

import { gzipSync } from 'node:zlib'
import test, { type ExecutionContext } from 'ava'
import { isInShare } from '../../../actors/filters/traffic/share.ts'
import {
  type CompareOptions,
  type HTTPRequestHead,
  type MirrorDifference,
  sluice,
} from '../../../actors/index.ts'
import { fieldOf, type HTTPText } from '../../support/http-text.ts'
import { Occurrences } from '../../support/occurrences.ts'
import { type RunningProxy, serve, until } from '../../support/proxy.ts'
import { answering, ask, reply, Upstream, unusedPort } from '../../support/upstream.ts'

/** An upstream that remembers what it was asked. */
async function recording(
  t: ExecutionContext,
  respond: (request: HTTPText) => string = () => reply('fine'),
): Promise<{ port: number; requests: Occurrences<HTTPText> }> {
  const requests = new Occurrences<HTTPText>()
  const { port } = await Upstream.start(
    t,
    answering(request => {
      requests.add(request)
      return respond(request)
    }),
  )
  return { port, requests }
}

const to = ({ port }: { port: number }): string => `127.0.0.1:${port}`

type Options = Partial<CompareOptions<object, HTTPRequestHead>>

/** A proxy to `primary` that mirrors to `shadow`. */
const mirrored = (
  t: ExecutionContext,
  primary: { port: number },
  shadow: string | (() => string),
  options: Options = {},
): Promise<RunningProxy> =>
  serve(
    t,
    sluice()
      .listen('127.0.0.1:0')
      .demuxHTTP()
      .to($ =>
        $.mirror(shadow, options)
          .muxHTTP()
          .to($ => $.connect(to(primary))),
      ),
  )

async function finish(proxy: RunningProxy): Promise<void> {
  await proxy.settled()
  await proxy.running.host.drain(60_000)
}

test('requests are mirrored with their bodies, and the answers of the mirror go nowhere', async t => {
  const primary = await recording(t, ({ body }) => reply(`<${body}>`))
  const shadow = await recording(t, () => reply('who asked?', '500 Oops'))
  const proxy = await mirrored(t, primary, to(shadow), {
    headers: { 'x-mirrored': '1', cookie: null, host: 'shadow.example' },
  })
  const client = await proxy.client()
  for (let i = 0; i < 3; i++) {
    client.write(`POST /${i} HTTP/1.1\r\nHost: a\r\nCookie: b=c\r\nContent-Length: 1\r\n\r\n${i}`)
    t.is((await client.response('POST')).body, `<${i}>`)
    const copy = await shadow.requests.next()
    t.is(copy.startLine, `POST /${i} HTTP/1.1`)
    t.is(copy.body, String(i))
    t.is(fieldOf(copy, 'x-mirrored'), '1')
    t.is(fieldOf(copy, 'host'), 'shadow.example')
    t.is(fieldOf(copy, 'cookie'), undefined)
    t.is(fieldOf(primary.requests.seen[i] as HTTPText, 'cookie'), 'b=c')
  }
  client.destroy()
  await finish(proxy)
})

test('a share is mirrored, all requests of a key or none', async t => {
  const primary = await recording(t)
  const shadow = await recording(t)
  const proxy = await mirrored(t, primary, () => to(shadow), { share: 0.5, by: msg => msg.head.path })
  const client = await proxy.client()
  const paths = Array.from({ length: 20 }, (_, i) => `/user-${i}`)
  for (const path of [...paths, ...paths]) await client.ask(ask(path))
  client.destroy()
  await finish(proxy)
  const seen = shadow.requests.seen.map(({ startLine }) => startLine.split(' ')[1])
  const expected = paths.filter(path => isInShare(0.5, path))
  t.true(expected.length > 2 && expected.length < 18)
  t.deepEqual(seen.sort(), [...expected, ...expected].sort())
})

test('a copy is sent behind its request, and is what came in whatever the traffic makes of it', async t => {
  const primary = await recording(t)
  const shadow = await recording(t)
  const order: string[] = []
  const proxy = await serve(
    t,
    sluice()
      .listen('127.0.0.1:0')
      .demuxHTTP()
      .to($ =>
        $.mirror(() => {
          order.push('copy')
          return to(shadow)
        })
          .handleMessageStart(({ head }) => {
            order.push('request')
            head.path = '/changed'
          })
          .muxHTTP()
          .to($ => $.connect(to(primary))),
      ),
  )
  const client = await proxy.client()
  // Two in one write: both are begun in one turn, and the second one waits for the answer of the first.
  client.write(`${ask('/one')}${ask('/two')}`)
  await client.response()
  await client.response()
  client.destroy()
  await finish(proxy)
  const paths = ({ requests }: typeof shadow): (string | undefined)[] =>
    requests.seen.map(({ startLine }) => startLine.split(' ')[1])
  t.deepEqual(paths(primary), ['/changed', '/changed'])
  t.deepEqual(paths(shadow).sort(), ['/one', '/two'])
  t.deepEqual(order.slice(0, 2), ['request', 'copy'])
})

test('keys fall into a share evenly', t => {
  const inShare = Array.from({ length: 20_000 }, (_, i) => isInShare(0.1, `user-${i}`)).filter(Boolean).length
  t.true(Math.abs(inShare - 2000) < 200, `${inShare} of 20000`)
  t.false(isInShare(0, 'x'))
  t.true(isInShare(1, 'x'))
})

test('only what the script wants is mirrored, and never a switch of protocols', async t => {
  const primary = await recording(t)
  const shadow = await recording(t)
  const proxy = await mirrored(t, primary, to(shadow), { when: msg => msg.head.method === 'GET' })
  const client = await proxy.client()
  await client.ask(ask('/a', 'Upgrade: x', 'Connection: upgrade'))
  await client.ask('POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n')
  await client.ask(ask('/c'))
  client.destroy()
  await finish(proxy)
  t.deepEqual(
    shadow.requests.seen.map(({ startLine }) => startLine),
    ['GET /c HTTP/1.1'],
  )
})

test('a mirror that cannot be reached is left alone for a while, and then tried again', async t => {
  const primary = await recording(t)
  const gone = await unusedPort(t)
  const proxy = await mirrored(t, primary, `127.0.0.1:${gone}`)
  const edge = () => {
    const found = proxy.running.host.status().edges.find(({ kind }) => kind === 'fork')
    return { left: found?.dropped.unreachable ?? 0, delivered: found?.delivered ?? 0 }
  }
  const client = await proxy.client()
  while (edge().left === 0) await client.ask(ask('/'))
  const { delivered } = edge()
  for (let i = 0; i < 10; i++) await client.ask(ask('/'))
  t.is(edge().delivered, delivered)
  while (edge().delivered === delivered) await client.ask(ask('/'))
  client.destroy()
  await finish(proxy)
})

interface Compared {
  /** The differences of one request. */
  differencesOf(primary: string, mirror: string, method?: string): Promise<MirrorDifference['differences']>
}

/** A proxy that compares; what its upstreams answer is told request by request. */
async function comparing(t: ExecutionContext, compare: object | true = true): Promise<Compared> {
  let answers = ['', '']
  const primary = await recording(t, () => answers[0] as string)
  const shadow = await recording(t, () => answers[1] as string)
  const found = new Occurrences<MirrorDifference>()
  const proxy = await mirrored(t, primary, to(shadow), {
    compare: compare as true,
    onDifference: each => found.add(each),
  })
  return {
    async differencesOf(ours, theirs, method = 'GET') {
      answers = [ours, theirs]
      const before = found.seen.length
      const client = await proxy.client()
      await client.ask(`${method} /x?a=1 HTTP/1.1\r\nHost: a\r\n\r\n`)
      client.destroy()
      await proxy.settled()
      await until(() => proxy.running.host.status().sessions === 0)
      // Draining waits for what is compared; the listener that it ends is not needed any more by then.
      await proxy.running.host.drain(60_000)
      const [difference] = found.seen.slice(before)
      if (difference !== undefined) t.like(difference, { method, path: '/x?a=1' })
      return difference?.differences ?? []
    },
  }
}

const json = (value: unknown, ...fields: string[]): string =>
  reply(JSON.stringify(value), '200 OK', 'Content-Type: application/json', ...fields)

for (const [title, compare, ours, theirs, differences] of [
  ['equal answers do not differ', true, reply('a'), reply('a'), []],
  [
    'what always differs does not count',
    true,
    reply('a', '200 OK', 'Date: 1', 'Set-Cookie: a=1'),
    reply('a', '200 OK', 'Date: 2'),
    [],
  ],
  [
    'statuses differ',
    true,
    reply(''),
    reply('', '404 Not Found'),
    [{ at: 'status', primary: 200, mirror: 404 }],
  ],
  [
    'headers differ, but for those to ignore',
    { ignoreHeaders: ['ETag'] },
    reply('', '200 OK', 'X-A: 1', 'ETag: 1', 'X-B: 1'),
    reply('', '200 OK', 'X-A: 2', 'ETag: 2', 'X-C: 1'),
    [
      { at: 'header x-a', primary: '1', mirror: '2' },
      { at: 'header x-b', primary: '1', mirror: undefined },
      { at: 'header x-c', primary: undefined, mirror: '1' },
    ],
  ],
  ['bodies differ', true, reply('a'), reply('bc'), [{ at: 'body', primary: 1, mirror: 2 }]],
  [
    'members of JSON differ, whatever their order',
    true,
    json({ a: 1, b: [1, { c: 2 }], d: 1 }),
    json({ d: 1, b: [1, { c: 3 }, 4], a: 1 }),
    [{ at: '$.b[1].c' }, { at: '$.b[2]' }],
  ],
  ['JSON in another order is the same', true, json({ a: 1, b: 2 }), json({ b: 2, a: 1 }), []],
  [
    'members to ignore are ignored',
    { ignoreBody: ['$.time', /Id$/] },
    json({ time: 1, orderId: 1, x: 1 }),
    json({ time: 2, orderId: 2, x: 1 }),
    [],
  ],
  [
    'long bodies are compared by a hash',
    { bodyLimit: 10 },
    reply('0123456789abcdef'),
    reply('0123456789abcdeF'),
    [{ at: 'body', primary: 16, mirror: 16 }],
  ],
  [
    'equal long bodies have the same hash',
    { bodyLimit: 10 },
    reply('0123456789abcdef'),
    reply('0123456789abcdef'),
    [],
  ],
] as const) {
  test(title, async t => {
    const { differencesOf } = await comparing(t, compare)
    t.deepEqual(await differencesOf(ours, theirs), differences as unknown as MirrorDifference['differences'])
  })
}

test('a compressed answer and a plain one with the same content are the same', async t => {
  const packed = gzipSync('same').toString('latin1')
  const { differencesOf } = await comparing(t)
  t.deepEqual(await differencesOf(reply('same'), reply(packed, '200 OK', 'Content-Encoding: gzip')), [])
})

test('differences go as documents to a pipeline; a mirror that fails is one', async t => {
  const primary = await recording(t)
  const gone = await unusedPort(t)
  const documents = new Occurrences<unknown>()
  const proxy = await serve(
    t,
    sluice()
      .listen('127.0.0.1:0')
      .demuxHTTP()
      .to($ =>
        $.mirror(`127.0.0.1:${gone}`, { compare: true })
          .to('differences')
          .muxHTTP()
          .to($ => $.connect(to(primary))),
      )
      .pipeline('differences')
      .handleMessage(message => documents.add(JSON.parse(message.body?.toString() ?? ''))),
  )
  const client = await proxy.client()
  await client.ask(ask('/x'))
  t.like(await documents.next(), {
    event: { dataset: 'sluice.mirror' },
    url: { path: '/x' },
    http: { response: { status_code: 200 } },
    sluice: { mirror: { differences: [{ at: 'error', mirror: 'ConnectionRefused' }] } },
  })
  client.destroy()
  await finish(proxy)
})

for (const [title, build, message] of [
  [
    'a target that is none',
    () =>
      sluice()
        .listen(0)
        .demuxHTTP()
        .to($ => $.mirror(8080 as never)),
    /mirror wants 'host:port'/,
  ],
  [
    'a comparison that nobody hears of',
    () =>
      sluice()
        .listen(0)
        .demuxHTTP()
        .to($ => $.mirror('a:1', { compare: true })),
    /has no one to tell of differences/,
  ],
  [
    'a share above one',
    () =>
      sluice()
        .listen(0)
        .demuxHTTP()
        .to($ => $.mirror('a:1', { share: 10 })),
    /option 'share' of mirror wants a number from 0 to 1, and got 10/,
  ],
  [
    'an unknown option of compare',
    () =>
      sluice()
        .listen(0)
        .demuxHTTP()
        .to($ => $.mirror('a:1', { compare: { headers: [] } as never })),
    /option compare of mirror has no option 'headers'; did you mean 'ignoreHeaders'\?|option compare of mirror has no option 'headers'/,
  ],
] as const) {
  test(`${title} is refused when the script is read`, async t => {
    await t.throwsAsync(serve(t, build()), { message })
  })
}
