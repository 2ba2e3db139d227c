/** What a script puts into a head cannot begin another line, another message, or another body. */

import test, { type ExecutionContext } from 'ava'
import { Data, type HTTPRequestHead, Message, MessageEnd, MessageStart, sluice } from '../../actors/index.ts'
import { fieldOf, statusOf } from '../support/http-text.ts'
import { serve } from '../support/proxy.ts'
import { answering, ask, reply, Upstream } from '../support/upstream.ts'

const evil = 'x\r\nSet-Cookie: session=stolen\r\n\r\nHTTP/1.1 200 OK'

const start = () => sluice().listen('127.0.0.1:0')
const bad = { status: 200, headers: { 'x-evil': evil } }

/** A proxy that does so with the head of each request. */
const spoiling = (port: number, spoil: (head: HTTPRequestHead) => void) =>
  start()
    .demuxHTTP()
    .to($ =>
      $.handleMessageStart(({ head }) => spoil(head))
        .muxHTTP()
        .to($ => $.connect(`127.0.0.1:${port}`)),
    )

/** Scripts that put a line end where it does not belong. */
const scripts: Readonly<Record<string, (upstream: number) => unknown>> = {
  'a field of a response that serveHTTP is given': () => start().serveHTTP(() => new Message(bad, 'hello')),
  'a field of a response that serveHTTP is promised': () =>
    start().serveHTTP(async () => new Message(bad, 'hello')),
  'a field of a literal message': () => start().serveHTTP(new Message(bad)),
  'the name of a field': () => start().serveHTTP(() => new Message({ headers: { [evil]: 'x' } })),
  'the reason of a status': () => start().serveHTTP(() => new Message({ statusText: evil })),
  'a status that is none': () => start().serveHTTP(() => new Message({ status: 99_999 })),
  'a field of replaceMessage': () =>
    start()
      .demuxHTTP()
      .to($ => $.replaceMessage(() => new Message(bad, 'hello'))),
  'a field of a response whose body comes later': () =>
    start()
      .demuxHTTP()
      .to($ =>
        $.replaceMessage(() => [
          new MessageStart(bad),
          new Data('hello'),
          new Data('later'),
          new MessageEnd(),
        ]).replaceData(async data => data),
      ),
  'a field of a response with a large body': () =>
    start()
      .demuxHTTP()
      .to($ => $.replaceMessage(() => new Message(bad, 'b'.repeat(100_000)))),
  'a field of a forwarded response': port =>
    start()
      .demuxHTTP()
      .to($ =>
        $.muxHTTP()
          .to($ => $.connect(`127.0.0.1:${port}`))
          .handleMessageStart(({ head }) => {
            head.headers['x-evil'] = evil
          }),
      ),
  'a field of a forwarded response that is changed': port =>
    start()
      .demuxHTTP()
      .to($ =>
        $.muxHTTP()
          .to($ => $.connect(`127.0.0.1:${port}`))
          .handleMessageStart(({ head }) => {
            head.headers['x-evil'] = evil
          })
          .replaceMessageBody(async body => body),
      ),
  'a field of a request': port =>
    spoiling(port, head => {
      head.headers['x-evil'] = evil
    }),
  'the path of a request': port =>
    spoiling(port, head => {
      head.path = '/ HTTP/1.1\r\nHost: evil\r\n\r\nGET /'
    }),
  'the method of a request': port =>
    spoiling(port, head => {
      head.method = 'GET / HTTP/1.1\r\nHost: evil\r\n\r\nGET'
    }),
}

async function upstreamThatWatches(t: ExecutionContext): Promise<Upstream> {
  return Upstream.start(
    t,
    answering(request => {
      t.false(JSON.stringify(request).includes('evil'))
      return reply('hello')
    }),
  )
}

for (const transport of ['handle', 'net'] as const) {
  for (const [place, script] of Object.entries(scripts)) {
    test(`${transport}: a line end in ${place} is refused with 500, and the log says why`, async t => {
      const upstream = await upstreamThatWatches(t)
      const server = await serve(t, script(upstream.port), transport)
      const bystander = await server.client()
      const client = await server.client()
      client.write(ask('/') + ask('/next'))
      const response = await client.response()
      t.is(statusOf(response), 500)
      t.is(fieldOf(response, 'connection'), 'close')
      t.is(fieldOf(response, 'set-cookie'), undefined)
      t.regex(fieldOf(response, 'proxy-status') ?? '', /^sluice; error=proxy_internal_error;/)
      t.is(await client.readToEnd(), '')
      client.destroy()
      bystander.write(ask('/'))
      t.is(statusOf(await bystander.response()), 500, 'others are still answered')
      bystander.destroy()
      await server.settled()
      t.regex(server.running.logs[0]?.message ?? '', /control character|token|space|Status/)
    })
  }
}

test('a line end in a trailer cuts the response', async t => {
  const script = start()
    .demuxHTTP()
    .to($ =>
      $.replaceMessage(() => [
        new MessageStart({ status: 200 }),
        new Data('b'.repeat(20_000)),
        new MessageEnd({ headers: { 'x-evil': evil } }),
      ]),
    )
  const server = await serve(t, script)
  const client = await server.client()
  client.write(ask('/'))
  const text = await client.readToEnd()
  t.false(text.includes('\r\n0\r\n'))
  t.false(text.includes('stolen'))
  client.destroy()
  await server.settled()
})
