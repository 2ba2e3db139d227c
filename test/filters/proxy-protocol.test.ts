/** acceptProxyProtocol and connectProxyProtocol: a header, then a stream. */

import test from 'ava'
import fc from 'fast-check'
import { Data, sluice } from '../../actors/index.ts'
import { encodeProxyHeader } from '../../runtime/codec/proxy-protocol/index.ts'
import { cutAt, everyByte, noise, places, spoiled } from '../support/cuts.ts'
import { runScript } from '../support/run-script.ts'
import { openStream } from '../support/stream.ts'
import { TcpClient } from '../support/tcp-client.ts'
import { Upstream } from '../support/upstream.ts'

const header = { sourceAddress: '192.0.2.1', sourcePort: 1234, targetAddress: '192.0.2.2', targetPort: 80 }

const accepting = () =>
  sluice({ client: '' })
    .pipeline('main')
    .acceptProxyProtocol((head, ctx) => {
      ctx.client = `${head.version} ${head.command} ${head.protocol} ${head.sourceAddress}:${head.sourcePort}`
      return head.sourceAddress !== '192.0.2.66'
    })
    .to($ => $.replaceData(data => new Data(`<${data}>`)))

for (const version of [1, 2] as const) {
  const bytes = Buffer.concat([encodeProxyHeader({ version, ...header }), Buffer.from('hello')])
  test(`the stream behind a header of version ${version} goes through the sub-pipeline`, t => {
    const stream = openStream(t, accepting()).feed('', new Data(bytes))
    t.deepEqual(stream.output, ['<hello>'])
    t.is(stream.context.client, `${version} PROXY TCP4 192.0.2.1:1234`)
    t.deepEqual(stream.end().output, ['<hello>', '|'])
  })

  test(`a header of version ${version} may come byte by byte`, t => {
    const stream = openStream(t, accepting())
    for (const piece of everyByte(bytes)) stream.feed(Data.borrow(piece, 0, 1))
    t.deepEqual(stream.end().output, ['<h><e><l><l><o>', '|'])
  })
}

test('a header that the script refuses ends the stream', t => {
  const bytes = encodeProxyHeader({ ...header, sourceAddress: '192.0.2.66' })
  t.deepEqual(openStream(t, accepting()).feed(new Data(bytes), 'x').output, ['|Unauthorized'])
})

test('no header, half a header and silence', async t => {
  t.deepEqual(openStream(t, accepting()).feed('GET / HTTP/1.1').output, ['|ProtocolError'])
  t.deepEqual(openStream(t, accepting()).feed('PROXY TCP4').end().output, ['|ProtocolError'])
  t.deepEqual(openStream(t, accepting()).feed('').end().output, ['|'])
  const impatient = sluice()
    .pipeline('main')
    .acceptProxyProtocol(() => true, { handshakeTimeout: '10ms' })
    .to($ => $.dummy())
  t.is((await openStream(t, impatient).feed('PROXY').ended()).error, 'ReadTimeout')
})

test('any bytes, however cut, give a stream or one ProtocolError', t => {
  const valid = fc.constantFrom(encodeProxyHeader({ version: 1, ...header }), encodeProxyHeader(header))
  fc.assert(
    fc.property(fc.oneof(noise(), spoiled(valid)), places, (bytes, at) => {
      const outputs = [[bytes], cutAt(bytes, at)].map(pieces => {
        const stream = openStream(t, accepting())
        for (const piece of pieces) stream.feed(Data.borrow(piece, 0, piece.length))
        return stream.end().output.filter(each => /^\|[A-Za-z]*$/.test(each))
      })
      t.is(outputs[0]?.length, 1)
      t.true(['|', '|ProtocolError', '|Unauthorized'].includes(outputs[0]?.[0] as string))
      t.deepEqual(outputs[1], outputs[0])
    }),
    { numRuns: 200 },
  )
})

const sending = (given?: Parameters<ReturnType<typeof base>['connectProxyProtocol']>[0]) =>
  base()
    .connectProxyProtocol(given)
    .to($ => $.replaceData(data => new Data(`${data.toString('latin1')}.`, 'latin1')))
const base = () => sluice({ who: '192.0.2.9' }).pipeline('main')

test('a header goes first, and the stream behind it', t => {
  const line = 'PROXY TCP4 192.0.2.1 192.0.2.2 1234 80\r\n'
  const stream = openStream(t, sending({ version: 1, ...header })).feed('', 'a', 'b')
  t.is(stream.text, `${line}.a.b.`)
  t.is(stream.end().output.at(-1), '|')
})

test('the header may be computed, now or later', async t => {
  const line = 'PROXY TCP4 192.0.2.9 0.0.0.0 0 0\r\n.'
  const now = openStream(
    t,
    sending(ctx => ({ version: 1, sourceAddress: ctx.who })),
  ).feed('a')
  t.is(now.text, `${line}a.`)
  const later = openStream(
    t,
    sending(async ctx => ({ version: 1, sourceAddress: ctx.who })),
  ).feed('a')
  t.is(later.text, '')
  await later.next(event => event.kind === 0 && event.toString() === 'a.')
  t.is(later.text, `${line}a.`)
})

test('a header that cannot be is refused when the script is loaded, or ends the stream', t => {
  t.throws(() => openStream(t, sending({ sourceAddress: 'localhost' })), { code: 'BadOption' })
  t.throws(() => openStream(t, sending(7 as never)), { code: 'BadOption' })
  for (const given of [{ sourceAddress: 'localhost' }, undefined, 'x'])
    t.deepEqual(
      openStream(
        t,
        sending(() => given as never),
      ).feed('a').output,
      ['|RuntimeError'],
    )
})

test('without a header, it tells of the client of the session; a stream that ends at once sends nothing', async t => {
  const upstream = await Upstream.start(t)
  const script = sluice()
    .listen('127.0.0.1:0')
    .connectProxyProtocol()
    .to($ => $.connect(`127.0.0.1:${upstream.port}`))
    .listen('127.0.0.1:0')
    .acceptProxyProtocol(({ sourceAddress, sourcePort }) => {
      seen.push(`${sourceAddress}:${sourcePort}`)
      return true
    })
    .to($ => $.replaceData(data => new Data(`echo ${data}`)))
  const seen: string[] = []
  const { ports } = await runScript(t, script)
  const client = await TcpClient.connect(ports[0] as number)
  t.teardown(() => client.destroy())
  client.write('hi')
  const connection = await upstream.connection()
  await connection.read(/hi$/)
  // What the one filter sent, the other takes.
  const relay = await TcpClient.connect(ports[1] as number)
  t.teardown(() => relay.destroy())
  relay.write(connection.received)
  await relay.read(/^echo hi$/)
  t.deepEqual(seen, [`127.0.0.1:${client.socket.localPort}`])
  t.deepEqual(openStream(t, sending()).end().output, ['|'])
})
