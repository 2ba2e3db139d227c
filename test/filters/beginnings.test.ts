/** Filters that look at how a stream begins: detectProtocol and handleTLSClientHello. */

import { once } from 'node:events'
import { Duplex } from 'node:stream'
import { connect } from 'node:tls'
import test from 'ava'
import fc from 'fast-check'
import { Data, sluice } from '../../actors/index.ts'
import { cutAt, everyByte, noise, places } from '../support/cuts.ts'
import { openStream, testProgram } from '../support/stream.ts'

const detecting = (options: { timeout?: string } = {}) =>
  sluice<{ told: string[] }>(() => ({ told: [] }))
    .pipeline('main')
    .detectProtocol((protocol, ctx) => ctx.told.push(protocol), options)

const request = 'GET / HTTP/1.1\r\n'
const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'

for (const [text, protocol] of [
  [`${request}rest`, 'HTTP'],
  [`${preface}rest`, 'HTTP2'],
  ['\x16\x03\x01\x02\x00\x01rest', 'TLS'],
  ['SSH-2.0-x\r\n', ''],
] as const) {
  test(`${JSON.stringify(text.slice(0, 12))} is told as '${protocol}', once, and passes unchanged`, t => {
    for (const pieces of [[Buffer.from(text, 'latin1')], everyByte(Buffer.from(text, 'latin1'))]) {
      const stream = openStream(t, detecting()).feed('')
      for (const piece of pieces) stream.feed(Data.borrow(piece, 0, piece.length))
      t.deepEqual(stream.context.told, [protocol])
      t.is(stream.bytes.toString('latin1'), text)
      t.is(stream.end().output.at(-1), '|')
    }
  })
}

test('events wait until the protocol is known, the one that opens the stream included', t => {
  const order: string[] = []
  const script = sluice()
    .pipeline('main')
    .detectProtocol(() => order.push('known'))
    .handleStreamStart(() => order.push('begins'))
  const stream = openStream(t, script).feed('', 'GET /')
  t.deepEqual([order, stream.text], [[], ''])
  stream.feed(' HTTP/1.1')
  t.deepEqual([order, stream.text], [['known', 'begins'], 'GET / HTTP/1.1'])
})

test('a stream that ends before it is known is nothing in particular', t => {
  const stream = openStream(t, detecting()).feed('GE').end()
  t.deepEqual([stream.context.told, stream.output], [[''], ['GE', '|']])
})

test('a promise is waited for', async t => {
  const { promise, resolve } = Promise.withResolvers<void>()
  const script = sluice()
    .pipeline('main')
    .detectProtocol(() => promise)
  const stream = openStream(t, script).feed(request, 'more').end()
  t.is(stream.text, '')
  resolve()
  await stream.ended()
  t.is(stream.text, `${request}more`)
})

test('a callback that throws, or whose promise fails, ends the stream', async t => {
  for (const callback of [
    () => {
      throw new Error('no')
    },
    () => Promise.reject(new Error('no')),
  ]) {
    const { open, logs } = testProgram(t, sluice().pipeline('main').detectProtocol(callback))
    t.is((await open().feed(request).ended()).error, 'RuntimeError')
    t.is(logs.length, 1)
  }
})

test('a client that says nothing is nothing in particular after the timeout', async t => {
  const stream = openStream(t, detecting({ timeout: '10ms' })).feed('')
  await stream.next()
  t.deepEqual(stream.context.told, [''])
  t.is(stream.feed('later').text, 'later')
})

test('any bytes, however cut, pass unchanged after one call', t => {
  fc.assert(
    fc.property(noise(), places, (bytes, at) => {
      const stream = openStream(t, detecting())
      for (const piece of cutAt(bytes, at)) stream.feed(Data.borrow(piece, 0, piece.length))
      stream.end()
      t.is((stream.context.told as string[]).length, 1)
      t.true(stream.bytes.equals(bytes))
      t.is(stream.output.at(-1), '|')
    }),
    { numRuns: 100 },
  )
})

const handling = () =>
  sluice<{ names: string[] }>(() => ({ names: [] }))
    .pipeline('main')
    .handleTLSClientHello(({ serverNames, protocolNames }, ctx) => {
      ctx.names.push(...serverNames, ...protocolNames)
    })

async function realHello(): Promise<Buffer> {
  const sent: Buffer[] = []
  const wire = new Duplex({
    read() {},
    write(chunk, _encoding, done) {
      sent.push(chunk)
      wire.emit('sent')
      done()
    },
  })
  const socket = connect({ socket: wire, servername: 'tenant.test', ALPNProtocols: ['h2'] })
  socket.on('error', () => {})
  if (sent.length === 0) await once(wire, 'sent')
  socket.destroy()
  return Buffer.concat(sent)
}

test('what a TLS client asks for is told before anything passes, and the bytes pass unchanged', async t => {
  const hello = await realHello()
  for (const pieces of [[hello], everyByte(hello)]) {
    const stream = openStream(t, handling()).feed('')
    for (const piece of pieces.slice(0, -1)) stream.feed(Data.borrow(piece, 0, piece.length))
    t.is(stream.output.length, 0)
    stream.feed(new Data(pieces.at(-1) as Buffer), 'more')
    t.deepEqual(stream.context.names, ['tenant.test', 'h2'])
    t.true(stream.bytes.equals(Buffer.concat([hello, Buffer.from('more')])))
  }
})

test('what is no ClientHello, or half of one, passes without a call', async t => {
  const hello = await realHello()
  for (const bytes of [
    Buffer.from(request),
    hello.subarray(0, 100),
    Buffer.from('160301000501000001ff', 'hex'),
  ]) {
    const stream = openStream(t, handling()).feed('', new Data(bytes)).end()
    t.deepEqual(stream.context.names, [])
    t.true(stream.bytes.equals(bytes))
    t.is(stream.output.at(-1), '|')
  }
})

test('a stream that only ends, ends', t => {
  t.deepEqual(openStream(t, handling()).end('ConnectionReset').output, ['|ConnectionReset'])
})

test('a callback is wanted', t => {
  const main = () => sluice().pipeline('main')
  t.throws(() => openStream(t, main().handleTLSClientHello(undefined as never)), { code: 'BadOption' })
  t.throws(() => openStream(t, main().detectProtocol('x' as never)), { code: 'BadOption' })
})
