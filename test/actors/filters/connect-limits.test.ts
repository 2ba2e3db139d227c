/** connect: time-outs, buffers, and TLS to the target. */

import { once } from 'node:events'
import { createServer as createTLSServer } from 'node:tls'
import type { ExecutionContext } from 'ava'
import { Data } from '../../../runtime/event.ts'
import { makeCertificates } from '../../runtime/net/support/certificates.ts'
import { events } from '../../support/pipeline-harness.ts'
import { ended, open, received, test, type Upstream, upstream } from './support/connecting.ts'

const certificates = makeCertificates()

for (const [option, code] of [
  ['readTimeout', 'ReadTimeout'],
  ['idleTimeout', 'IdleTimeout'],
] as const) {
  test(`${option} ends the stream of a silent peer with ${code}, and closes its connection`, async (t, transport) => {
    const { target, connections } = await upstream(t)
    const session = open(t, transport, target, { [option]: '1ms' }).feed(...events('D:x'))
    const socket = await connections.next()
    socket.resume()
    const end = await ended(session)
    t.is(end.error, code)
    t.regex(end.reason, new RegExp(`${option} is 0.001 s`))
    if (!socket.readableEnded) await once(socket, 'end')
  })
}

test('writeTimeout ends the stream of a peer that takes nothing with WriteTimeout', async (t, transport) => {
  const { target, connections } = await upstream(t)
  const session = open(t, transport, target, { writeTimeout: '1ms' }).feed(new Data())
  const socket = await connections.next()
  socket.pause()
  for (let i = 0; i < 16; i++) session.feed(new Data(Buffer.alloc(1024 * 1024)))
  t.is((await ended(session)).error, 'WriteTimeout')
})

test('writeTimeout does not end a stream that has sent all it had', async (t, transport) => {
  const { target, connections } = await upstream(t)
  const session = open(t, transport, target, { writeTimeout: '1ms', idleTimeout: '1.5s' }).feed(new Data())
  const socket = await connections.next()
  socket.resume()
  session.feed(...events('D:small'))
  t.is((await ended(session)).error, 'IdleTimeout')
})

test('connectTimeout ends the stream of a peer that does not answer with ConnectionTimeout', async (t, transport) => {
  // A TLS handshake that nobody answers: part of making the connection.
  const { target, connections } = await upstream(t)
  const session = open(t, transport, target, { connectTimeout: '50ms', tls: { verify: false } }).feed(
    new Data('x'),
  )
  await connections.next()
  const end = await ended(session)
  t.is(end.error, 'ConnectionTimeout')
  t.regex(end.reason, /50 ms/)
})

test('what a slow peer has not taken pauses the source, and lets it go on', async (t, transport) => {
  const { target, connections } = await upstream(t)
  const session = open(t, transport, target).feed(new Data())
  const socket = await connections.next()
  socket.pause()
  let sent = 0
  while (!session.source.isPaused && sent < 100) {
    session.feed(new Data(Buffer.alloc(1024 * 1024)))
    sent++
    await new Promise(setImmediate)
  }
  t.true(session.source.isPaused)
  let bytes = 0
  socket.on('data', piece => {
    bytes += piece.length
  })
  socket.resume()
  session.feed(...events('X'))
  await once(socket, 'end')
  t.is(bytes, sent * 1024 * 1024)
  t.false(session.source.isPaused)
})

test('while connecting, what comes is bounded: the source is paused, and nothing of it is lost', async (t, transport) => {
  const { target, connections } = await upstream(t)
  const resolved = Promise.withResolvers<string>()
  const session = open(t, transport, () => resolved.promise, { bufferLimit: '64k' })
  let sent = 0
  while (!session.source.isPaused && sent < 100) {
    session.feed(new Data('x'.repeat(10_000)))
    sent++
  }
  t.is(sent, 2)
  resolved.resolve(target)
  const socket = await connections.next()
  let bytes = 0
  socket.on('data', piece => {
    bytes += piece.length
  })
  while (session.source.isPaused) await new Promise(setImmediate)
  session.feed(...events('X'))
  await once(socket, 'end')
  t.is(bytes, 20_000)
})

test('while connecting, more than bufferLimit of what cannot be paused ends the stream with BufferOverflow', async (t, transport) => {
  const session = open(t, transport, () => new Promise(() => {}), { bufferLimit: '64k' })
  session.deliver(session.first, new Data('x'.repeat(60_000)), null)
  t.deepEqual(session.shown, [])
  session.deliver(session.first, new Data('x'.repeat(10_000)), null)
  t.is((await ended(session)).error, 'BufferOverflow')
})

test('a large bufferLimit is as large as it says', async (t, transport) => {
  const session = open(t, transport, () => new Promise(() => {}), { bufferLimit: '8g' })
  session.feed(new Data('x'))
  t.false(session.source.isPaused)
  t.deepEqual(session.shown, [])
})

const tlsUpstream = (t: ExecutionContext, options: object = {}): Promise<Upstream> =>
  upstream(
    t,
    createTLSServer({ ...certificates.server, ...options }, () => {}),
  )

test('TLS: bytes go encrypted, the name of the target is asked for and checked', async (t, transport) => {
  const names: unknown[] = []
  const { port, connections, server } = await tlsUpstream(t, { ALPNProtocols: ['h2', 'x'] })
  server.on('secureConnection', socket => names.push(socket.servername, socket.alpnProtocol))
  const session = open(t, transport, `localhost:${port}`, { tls: { ca: certificates.ca, alpn: ['x'] } }).feed(
    ...events('D:secret'),
  )
  const socket = await connections.next()
  t.is(String((await once(socket, 'data'))[0]), 'secret')
  t.deepEqual(names, ['localhost', 'x'])
  socket.end('answer')
  await ended(session)
  t.is(received(session), 'answer|end')
})

test('TLS: a certificate for another name, or of a stranger, ends the stream with TLSError', async (t, transport) => {
  for (const [options, server] of [
    [{ ca: certificates.ca, sni: 'other.test' }, {}],
    [{}, {}],
    [{ ca: certificates.ca }, certificates.stranger],
  ] as const) {
    const { port } = await tlsUpstream(t, server)
    const session = open(t, transport, `localhost:${port}`, { tls: options }).feed(...events('D:x'))
    t.is((await ended(session)).error, 'TLSError')
  }
})

test('TLS: verify false takes any certificate', async (t, transport) => {
  const { port, connections } = await tlsUpstream(t, certificates.stranger)
  open(t, transport, `127.0.0.1:${port}`, { tls: { verify: false } }).feed(...events('D:x'))
  t.is(String((await once(await connections.next(), 'data'))[0]), 'x')
})
