/**
 * Neither a mirror nor a log holds traffic back: not one that is stalled, not one that is dead, not one that takes a second
 * for each answer. nginx is held beside it, whose own mirror makes the next request of a connection wait.
 */

import ava, { type ExecutionContext } from 'ava'
import { MessageStart, sluice } from '../../actors/index.ts'
import { monotonicMs } from '../../runtime/clock.ts'
import { MemorySinks } from '../support/memory-sinks.ts'
import { hasNginx, startNginx } from '../support/nginx.ts'
import { serve } from '../support/proxy.ts'
import { TcpClient } from '../support/tcp-client.ts'
import { answering, ask, reply, Upstream, unusedPort } from '../support/upstream.ts'

// They measure time: one after the other.
const test = ava.serial

const slowMs = 1000

/** Ways in which the other side is of no use. Each gives its port. */
const troubles: Readonly<Record<string, (t: ExecutionContext) => Promise<number>>> = {
  dead: unusedPort,
  'that accepts and never reads': async t =>
    (await Upstream.start(t, connection => void connection.socket.pause())).port,
  'that never answers': async t => (await Upstream.start(t)).port,
  'that takes a second for each answer': async t => (await slow(t)).port,
}

/** Answers each request a second late. */
const slow = (t: ExecutionContext): Promise<Upstream> =>
  Upstream.start(t, async connection => {
    for (;;) {
      await connection.request()
      setTimeout(() => connection.write(reply('late')), slowMs)
    }
  })

/** The time of the slowest of some requests that follow each other on one connection. */
async function slowestMs(port: number, requests: number): Promise<number> {
  const client = await TcpClient.connect(port)
  let slowest = 0
  for (let i = 0; i < requests; i++) {
    const since = monotonicMs()
    await client.ask(ask('/'))
    slowest = Math.max(slowest, monotonicMs() - since)
  }
  client.destroy()
  return slowest
}

const mirroring = (target: number, primary: number) =>
  sluice()
    .listen('127.0.0.1:0')
    .demuxHTTP()
    .to($ =>
      $.mirror(`127.0.0.1:${target}`)
        .muxHTTP()
        .to($ => $.connect(`127.0.0.1:${primary}`)),
    )

/** Logs to a pipeline that sends documents to `target`. */
const loggingTo = (target: number, primary: number) =>
  sluice()
    .listen('127.0.0.1:0')
    .demuxHTTP()
    .to($ =>
      $.logTraffic({ bodies: true })
        .to('log')
        .muxHTTP()
        .to($ => $.connect(`127.0.0.1:${primary}`)),
    )
    .pipeline('log')
    .replaceMessageStart(() => new MessageStart({ method: 'POST', path: '/', headers: {} }))
    .muxHTTP()
    .to($ => $.connect(`127.0.0.1:${target}`))

for (const [what, build] of [
  ['mirror', mirroring],
  ['log', loggingTo],
] as const) {
  for (const [trouble, start] of Object.entries(troubles)) {
    test(`a ${what} ${trouble} delays no request of a connection`, async t => {
      const primary = await Upstream.start(
        t,
        answering(() => reply('fine')),
      )
      const proxy = await serve(t, build(await start(t), primary.port))
      const slowest = await slowestMs(proxy.running.port, 20)
      t.true(slowest < slowMs / 2, `${slowest} ms`)
    })

    test(`a ${what} ${trouble} does not hold the bytes of an upload back`, async t => {
      const primary = await Upstream.start(t)
      const proxy = await serve(t, build(await start(t), primary.port))
      const client = await proxy.client()
      client.write(
        'POST / HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 15\r\n\r\nfirst',
      )
      const upload = await primary.connection()
      await upload.read(/\r\n\r\nfirst$/)
      client.write('second')
      await upload.read(/firstsecond$/)
      client.write('last')
      t.is((await upload.request()).body, 'firstsecondlast')
      upload.write(reply('fine'))
      t.is((await client.response('POST')).body, 'fine')
    })
  }
}

test('a sink that settles nothing delays nothing', async t => {
  const primary = await Upstream.start(
    t,
    answering(() => reply('fine')),
  )
  const sinks = new MemorySinks()
  sinks.outcome = () => undefined
  const script = sluice()
    .listen('127.0.0.1:0')
    .demuxHTTP()
    .to($ =>
      $.logTraffic('stdout')
        .muxHTTP()
        .to($ => $.connect(`127.0.0.1:${primary.port}`)),
    )
  const proxy = await serve(t, script, 'handle', { sinks })
  t.true((await slowestMs(proxy.running.port, 20)) < slowMs / 2)
  t.is(sinks.entries.length, 20)
})

const beside = hasNginx ? test : test.skip
beside(
  `beside it, nginx makes the next request wait for its mirror (${hasNginx ? 'here' : 'apt install nginx-light'})`,
  async t => {
    const primary = await Upstream.start(
      t,
      answering(() => reply('fine')),
    )
    const late = await slow(t)
    const nginx = await startNginx(t, [
      'location / { mirror /mirror; proxy_http_version 1.1;',
      `proxy_set_header Connection ""; proxy_pass http://127.0.0.1:${primary.port}; }`,
      `location = /mirror { internal; proxy_pass http://127.0.0.1:${late.port}$request_uri; }`,
    ])
    const proxy = await serve(t, mirroring(late.port, primary.port))
    const theirs = await slowestMs(nginx, 3)
    const ours = await slowestMs(proxy.running.port, 3)
    t.log(`slowest of 3 requests: nginx ${theirs.toFixed(0)} ms, Sluice ${ours.toFixed(1)} ms`)
    t.true(theirs > 0.8 * slowMs, `nginx ${theirs} ms`)
    t.true(ours < slowMs / 2, `ours ${ours} ms`)
  },
)
