/** connect: from the first event to the last byte, and the ways in which it cannot be made. */

import { once } from 'node:events'
import { createServer } from 'node:net'
import { sluice } from '../../../actors/index.ts'
import { Data, StreamEnd } from '../../../runtime/event.ts'
import { freePorts } from '../../support/free-ports.ts'
import { events, harness } from '../../support/pipeline-harness.ts'
import { ended, open, received, test, upstream } from './support/connecting.ts'

test('it connects with the first event, sends what comes in and puts out what comes back', async (t, transport) => {
  const { target, connections } = await upstream(t)
  const session = open(t, transport, target).feed(new Data())
  const socket = await connections.next()
  socket.write('220 hello')
  await session.until(event => event.kind === 0)
  session.feed(...events('S', 'D:one', 'E', 'D:two'))
  const [text] = (await once(socket, 'data')) as [string]
  t.is(text, 'onetwo')
  t.is(received(session), '220 hello')
  t.is(connections.seen.length, 1)
})

test('a stream that ends before anything came connects to nobody', async (t, transport) => {
  const { target, connections } = await upstream(t)
  const session = open(t, transport, target).feed(new StreamEnd('ReadError'))
  t.deepEqual(session.shown, ['X:ReadError'])
  t.is(connections.seen.length, 0)
})

test('each direction ends by itself: our end is told, and the answer still comes', async (t, transport) => {
  const { target, connections } = await upstream(t)
  const session = open(t, transport, target).feed(...events('D:request', 'X'))
  const socket = await connections.next()
  await once(socket, 'data')
  await once(socket, 'end')
  socket.end('answer')
  await ended(session)
  t.is(received(session), 'answer|end')
})

test('each direction ends by itself: after the end of the peer ours still goes out', async (t, transport) => {
  const { target, connections } = await upstream(t)
  const session = open(t, transport, target).feed(...events('D:first'))
  const socket = await connections.next()
  await once(socket, 'data')
  socket.end('bye')
  await ended(session)
  session.feed(...events('D:second'))
  t.is(String((await once(socket, 'data'))[0]), 'second')
  session.feed(...events('X'))
  await once(socket, 'end')
  t.is(received(session), 'bye|end')
})

test('what comes before the connection is made waits for it, in order, borrowed memory or not', async (t, transport) => {
  const { target, connections } = await upstream(t)
  const memory = Buffer.from('abc')
  const session = open(t, transport, target)
  session.feed(Data.borrow(memory, 0, 3))
  memory.fill('x')
  session.feed(...events('D:def', 'D:ghi', 'X'))
  const socket = await connections.next()
  let text = ''
  socket.on('data', piece => {
    text += piece
  })
  await once(socket, 'end')
  t.is(text, 'abcdefghi')
})

test('the target may be a callback with the context, and a promise', async (t, transport) => {
  const { target, connections } = await upstream(t)
  for (const callback of [
    (ctx: { to: string }) => ctx.to,
    (ctx: { to: string }) => Promise.resolve(ctx.to),
    async (ctx: { to: string }) => {
      await new Promise(setImmediate)
      return ctx.to
    },
  ]) {
    const script = sluice({ to: target }).pipeline('main').connect(callback)
    const session = harness(t, script, { transport })
      .open()
      .feed(...events('D:x', 'D:y', 'X'))
    const socket = await connections.next()
    t.is(String((await once(socket, 'data'))[0]), 'xy')
    socket.end('z')
    await ended(session)
    t.is(received(session), 'z|end')
  }
})

for (const [what, target, code, message] of [
  ['throws', () => fails(), 'RuntimeError', /a bug/],
  ['gives a rejected promise', () => Promise.reject(new Error('a bug')), 'RuntimeError', /a bug/],
  [
    'gives nothing',
    () => undefined,
    'RuntimeError',
    /connect wants a target like 'host:port', and its callback gave undefined/,
  ],
  ['gives a promise of nothing', async () => null, 'RuntimeError', /its callback gave null/],
  ['gives a number', () => 8080, 'RuntimeError', /its callback gave 8080/],
  [
    'gives no port',
    () => 'localhost',
    'BadOption',
    /"localhost" cannot be used as a target: a port is missing/,
  ],
  ['gives a URL', () => 'http://localhost:80/', 'BadOption', /without a scheme/],
] as const) {
  test(`a target callback that ${what} ends the session with words that say so`, async (t, transport) => {
    const session = open(t, transport, target).feed(...events('D:x'))
    const end = await ended(session)
    t.is(end.error, code)
    t.regex(end.reason, message)
  })
}

function fails(): never {
  throw new Error('a bug')
}

test('a connection that is refused ends the stream with ConnectionRefused', async (t, transport) => {
  const port = await freePorts(1)
  const session = open(t, transport, `127.0.0.1:${port}`).feed(...events('D:x'))
  const end = await ended(session)
  t.is(end.error, 'ConnectionRefused')
  t.regex(end.reason, new RegExp(`127\\.0\\.0\\.1:${port}`))
})

test('a name that does not resolve ends the stream with CannotResolve', async (t, transport) => {
  const session = open(t, transport, 'no-such-name.invalid:80').feed(...events('D:x'))
  const end = await ended(session)
  t.is(end.error, 'CannotResolve')
  t.regex(end.reason, /'no-such-name\.invalid'/)
})

test('IPv6 targets stand in brackets', async (t, transport) => {
  const { target, connections } = await upstream(t, createServer(), '::1')
  const session = open(t, transport, target).feed(...events('D:x'))
  const socket = await connections.next()
  t.is(socket.remoteAddress, '::1')
  socket.end('y')
  await ended(session)
  t.is(received(session), 'y|end')
})

test('a connection that breaks ends the stream with ConnectionReset', async (t, transport) => {
  const { target, connections } = await upstream(t)
  const session = open(t, transport, target).feed(...events('D:x'))
  const socket = await connections.next()
  await once(socket, 'data')
  socket.resetAndDestroy()
  t.is((await ended(session)).error, 'ConnectionReset')
})

test('refused connections are tried again, as often as retryCount says, with retryDelay between', async (t, transport) => {
  const { server, port, connections } = await upstream(t)
  server.close()
  await once(server, 'close')
  const session = open(t, transport, `127.0.0.1:${port}`, { retryCount: -1, retryDelay: '20ms' }).feed(
    ...events('D:patience'),
  )
  const given = open(t, transport, `127.0.0.1:${port}`, { retryCount: 2, retryDelay: '5ms' }).feed(
    ...events('D:x'),
  )
  t.is((await ended(given)).error, 'ConnectionRefused')
  t.deepEqual(session.shown, [])
  server.listen(port, '127.0.0.1')
  const socket = await connections.next()
  t.is(String((await once(socket, 'data'))[0]), 'patience')
  t.deepEqual(session.shown, [])
})

test('a session that ends while it waits for a retry tries no more', async (t, transport) => {
  const { server, port, connections } = await upstream(t)
  server.close()
  await once(server, 'close')
  const session = open(t, transport, `127.0.0.1:${port}`, { retryCount: -1, retryDelay: '10ms' }).feed(
    ...events('D:x'),
  )
  const other = open(t, transport, `127.0.0.1:${port}`, { retryCount: 1, retryDelay: '5ms' }).feed(
    ...events('D:x'),
  )
  await ended(other)
  session.stop()
  server.listen(port, '127.0.0.1')
  const later = open(t, transport, `127.0.0.1:${port}`, { retryCount: -1, retryDelay: '30ms' }).feed(
    ...events('D:later'),
  )
  const socket = await connections.next()
  t.is(String((await once(socket, 'data'))[0]), 'later')
  t.is(connections.seen.length, 1)
  t.deepEqual(session.shown, [])
  later.stop()
})

test('a session that ends closes its connection', async (t, transport) => {
  const { target, connections } = await upstream(t)
  const session = open(t, transport, target).feed(...events('D:x'))
  const socket = await connections.next()
  await once(socket, 'data')
  session.stop()
  await once(socket, 'end')
  t.deepEqual(session.shown, [])
})

test('bind connects from the address given', async (t, transport) => {
  const { target, connections } = await upstream(t)
  open(t, transport, target, { bind: '127.0.0.7' }).feed(...events('D:x'))
  t.is((await connections.next()).remoteAddress, '127.0.0.7')
})
