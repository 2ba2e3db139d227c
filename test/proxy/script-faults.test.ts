/** A callback that throws costs its client the response and the connection, and nobody else anything. */

import test, { type ExecutionContext } from 'ava'
import { Message, sluice } from '../../actors/index.ts'
import { fieldOf, type HTTPText, statusOf } from '../support/http-text.ts'
import { type RunningProxy, serve } from '../support/proxy.ts'
import { makeScript, startSluice } from '../support/sluice.ts'
import { TcpClient } from '../support/tcp-client.ts'
import { answering, ask, reply, Upstream } from '../support/upstream.ts'

const fail = (path: string | undefined): void => {
  if (path?.includes('/bad')) throw new Error('boom')
}

function isFault(t: ExecutionContext, response: HTTPText): void {
  t.is(statusOf(response), 500)
  t.is(fieldOf(response, 'connection'), 'close')
  t.regex(fieldOf(response, 'proxy-status') ?? '', /^sluice; error=proxy_internal_error; details="[^"]+"$/)
  t.false(JSON.stringify(response).includes('boom'), 'what the script said is for the log')
}

type Variables = { path: string }
const start = () => sluice<Variables>({ path: '' }).listen('127.0.0.1:0').demuxHTTP()

/** Each with a callback that throws at another place. */
const scripts: Readonly<Record<string, (upstream: number) => unknown>> = {
  'a callback for the head of the request': port =>
    start().to($ =>
      $.handleMessageStart(({ head }) => fail(head.path))
        .muxHTTP()
        .to($ => $.connect(`127.0.0.1:${port}`)),
    ),
  'a callback that gives a promise': port =>
    start().to($ =>
      $.handleMessageStart(async ({ head }) => {
        await Promise.resolve()
        fail(head.path)
      })
        .muxHTTP()
        .to($ => $.connect(`127.0.0.1:${port}`)),
    ),
  'a callback for the end of the request': port =>
    start().to($ =>
      $.handleMessage(({ head }) => fail(head.path))
        .muxHTTP()
        .to($ => $.connect(`127.0.0.1:${port}`)),
    ),
  'a callback for the head of the response': port =>
    start().to($ =>
      $.handleMessageStart(({ head }, ctx) => {
        ctx.path = head.path
      })
        .muxHTTP()
        .to($ => $.connect(`127.0.0.1:${port}`))
        .handleMessageStart((_, ctx) => fail(ctx.path)),
    ),
  'the condition of a branch': port =>
    start().to($ =>
      $.handleMessageStart(({ head }, ctx) => {
        ctx.path = head.path
      }).branch(
        ctx => fail(ctx.path) === undefined,
        $ => $.muxHTTP().to($ => $.connect(`127.0.0.1:${port}`)),
      ),
    ),
  'the key of muxHTTP': port =>
    start().to($ =>
      $.handleMessageStart(({ head }, ctx) => {
        ctx.path = head.path
      })
        .muxHTTP(ctx => fail(ctx.path))
        .to($ => $.connect(`127.0.0.1:${port}`)),
    ),
  'the target of connect': port =>
    start().to($ =>
      $.handleMessageStart(({ head }, ctx) => {
        ctx.path = head.path
      })
        .muxHTTP(ctx => ctx.path)
        .to($ =>
          $.connect(ctx => {
            fail(ctx.path)
            return `127.0.0.1:${port}`
          }),
        ),
    ),
  'the promise of a target of connect': port =>
    start().to($ =>
      $.handleMessageStart(({ head }, ctx) => {
        ctx.path = head.path
      })
        .muxHTTP(ctx => ctx.path)
        .to($ =>
          $.connect(async ctx => {
            fail(ctx.path)
            return `127.0.0.1:${port}`
          }),
        ),
    ),
  'replaceMessage of the response': port =>
    start().to($ =>
      $.handleMessageStart(({ head }, ctx) => {
        ctx.path = head.path
      })
        .muxHTTP()
        .to($ => $.connect(`127.0.0.1:${port}`))
        .replaceMessage((message, ctx) => {
          fail(ctx.path)
          return message
        }),
    ),
  'the handler of serveHTTP': () =>
    sluice()
      .listen('127.0.0.1:0')
      .serveHTTP(({ head }) => {
        fail(head.path)
        return new Message('fine')
      }),
  'the promise of the handler of serveHTTP': () =>
    sluice()
      .listen('127.0.0.1:0')
      .serveHTTP(async ({ head }) => {
        fail(head.path)
        return new Message('fine')
      }),
}

for (const transport of ['handle', 'net'] as const) {
  for (const [place, script] of Object.entries(scripts)) {
    test(`${transport}: what ${place} throws is a 500 and the end of that connection alone`, async t => {
      const upstream = await Upstream.start(
        t,
        answering(() => reply('fine')),
      )
      const proxy = await serve(t, script(upstream.port), transport)
      const neighbour = await proxy.client()
      t.is((await neighbour.ask(ask('/'))).body, 'fine')
      const client = await proxy.client()
      t.is((await client.ask(ask('/'))).body, 'fine')
      client.write(ask('/bad') + ask('/never'))
      isFault(t, await client.response())
      t.is(await client.readToEnd(), '')
      client.destroy()
      t.is((await neighbour.ask(ask('/'))).body, 'fine')
      neighbour.end()
      await neighbour.readToEnd()
      await proxy.settled()
      t.is(proxy.running.logs.length, 1, JSON.stringify(proxy.running.logs))
      t.regex(proxy.running.logs[0]?.message ?? '', /boom/)
      t.is(proxy.running.logs[0]?.code, 'RuntimeError')
    })
  }
}

test('what is thrown after the head of the response has gone out cuts the response', async t => {
  const upstream = await Upstream.start(t)
  const script = start().to($ =>
    $.muxHTTP()
      .to($ => $.connect(`127.0.0.1:${upstream.port}`))
      .handleData(data => {
        if (data.toString().includes('bad')) throw new Error('boom')
      }),
  )
  const proxy = await serve(t, script)
  const client = await proxy.client()
  client.write(ask('/'))
  const connection = await upstream.connection()
  await connection.request()
  connection.write('HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\ngood')
  await client.read(/good$/)
  connection.write(' bad')
  t.true((await client.readToEnd()).endsWith('\r\n\r\ngood'))
  await connection.readToEnd()
  client.destroy()
  await proxy.settled()
})

test('what a callback on the bytes of a connection throws ends that connection', async t => {
  const script = sluice()
    .listen('127.0.0.1:0')
    .handleData(data => fail(data.toString()))
    .serveHTTP(new Message('fine'))
  const proxy: RunningProxy = await serve(t, script)
  const neighbour = await proxy.client()
  const client = await proxy.client()
  t.is((await client.ask(ask('/'))).body, 'fine')
  client.write(ask('/bad'))
  await client.readToEnd()
  client.destroy()
  t.is((await neighbour.ask(ask('/'))).body, 'fine')
  neighbour.destroy()
  await proxy.settled()
  t.is(proxy.running.logs.length, 1)
})

test('the log tells the file and the line of the script that threw', async t => {
  const script = makeScript(
    t,
    `import { sluice, Message } from 'sluice'
export default sluice()
  .listen('127.0.0.1:0')
  .serveHTTP(({ head }) => {
    if (head.path === '/bad') throw new Error('boom')
    return new Message('fine')
  })
`,
    'mine.ts',
  )
  const child = startSluice(t, [script])
  const client = await TcpClient.connect(await child.port())
  t.is(statusOf(await client.ask(ask('/bad'))), 500)
  const { message } = await child.line(/boom/)
  t.regex(message, /mine\.ts:5\b/)
  t.true(message.includes("if (head.path === '/bad') throw new Error('boom')"), 'and shows it')
  client.destroy()
})
