/** Compressing and decompressing bodies: in one go, piece by piece, and against bombs. */

import { randomBytes } from 'node:crypto'
import zlib from 'node:zlib'
import type { ExecutionContext } from 'ava'
import test from 'ava'
import { Data, type HTTPResponseHead, Message, MessageStart, sluice } from '../../actors/index.ts'
import { type Event, messageEnd } from '../../runtime/event.ts'
import { openStream, type TestStream, testProgram } from '../support/stream.ts'

const headOf = (stream: TestStream): { headers?: Record<string, unknown> } =>
  (stream.session.outputs.seen.find(event => event.kind === 1) as MessageStart).head as never

const isEnd = (event: Event): boolean => event.kind === 2

const readers = {
  gzip: zlib.gunzipSync,
  deflate: zlib.inflateSync,
  brotli: zlib.brotliDecompressSync,
  zstd: zlib.zstdDecompressSync,
} as const

/** Text that does not compress to nothing. */
const text = (bytes: number): string => randomBytes(bytes / 2).toString('hex')

for (const method of ['gzip', 'deflate', 'brotli', 'zstd'] as const) {
  test(`${method}: a body comes back as it was, small and large, split anywhere`, async t => {
    for (const size of [1, 1000, 64 * 1024, 300_000]) {
      const body = text(size + (size % 2))
      const stream = openStream(t, sluice().pipeline('main').compressMessage(method))
      stream.feed(new MessageStart(), body.slice(0, size / 3), '', body.slice(size / 3), messageEnd)
      await stream.next(isEnd)
      t.is(readers[method](stream.bytes).toString(), body)
      t.is(stream.output.length, 3)

      const back = openStream(t, sluice().pipeline('main').decompressMessage(method))
      const { bytes } = stream
      back.feed(new MessageStart())
      for (let at = 0; at < bytes.length; at += 10_000) back.feed(new Data(bytes.subarray(at, at + 10_000)))
      back.feed(messageEnd)
      await back.next(isEnd)
      t.is(back.text, body)
    }
  })
}

test('messages after one that is still being compressed wait for their turn', async t => {
  const stream = openStream(t, sluice().pipeline('main').compressMessage())
  const body = text(200_000)
  stream.feed(new Message(body), new Message('next')).end()
  await stream.ended()
  const starts = stream.session.outputs.seen.flatMap((event, i) => (event.kind === 1 ? [i] : []))
  t.is(starts.length, 2)
  const first = stream.session.outputs.seen.slice(0, starts[1])
  const bytes = Buffer.concat(first.flatMap(event => (event.kind === 0 ? [event.bytes()] : [])))
  t.is(zlib.gunzipSync(bytes).toString(), body)
})

test('a message without a body passes as it is', t => {
  const stream = openStream(t, sluice().pipeline('main').compressHTTP())
  stream.feed(new Message({ status: 304, headers: { etag: '"a"' } })).end()
  t.deepEqual(stream.output, ['<', '>', '|'])
  t.deepEqual(headOf(stream), { status: 304, headers: { etag: '"a"' } } as never)
})

test('compressHTTP says in the head what it did, and leaves the head of others alone', t => {
  const script = sluice().pipeline('main').compressHTTP('gzip')
  const head = { status: 200, headers: { 'content-length': '5', etag: '"a"', vary: 'origin' } }
  const stream = openStream(t, script).feed(new Message(head, 'hello'))
  t.deepEqual(headOf(stream).headers, {
    etag: 'W/"a"',
    vary: 'origin, accept-encoding',
    'content-encoding': 'gzip',
  })
  t.is(zlib.gunzipSync(stream.bytes).toString(), 'hello')
  t.is(head.headers['content-length'], '5')
})

test('compressHTTP compresses nothing twice, no parts, and nothing against the will of the sender', t => {
  for (const head of [
    { status: 200, headers: { 'content-encoding': 'br' } },
    { status: 206, headers: {} },
    { status: 200, headers: { 'cache-control': 'public, no-transform' } },
  ]) {
    const stream = openStream(t, sluice().pipeline('main').compressHTTP()).feed(new Message(head, 'hello'))
    t.is(stream.text, 'hello')
  }
})

test('a callback chooses the method and level by the head, or nothing', t => {
  const script = sluice({ accepts: 'br' })
    .pipeline('main')
    .compressHTTP((start, ctx) => {
      const { status } = start.head as HTTPResponseHead
      return status === 200 ? { method: ctx.accepts as 'br', level: 'best' } : null
    })
  const stream = openStream(t, script).feed(new Message({ status: 200 }, 'hello'))
  t.is(zlib.brotliDecompressSync(stream.bytes).toString(), 'hello')
  t.is(openStream(t, script).feed(new Message({ status: 404 }, 'hello')).text, 'hello')
})

test('Data outside of messages passes', t => {
  t.deepEqual(openStream(t, sluice().pipeline('main').compressMessage()).feed('raw').output, ['raw'])
})

test('a slow body is passed on as far as it is there', async t => {
  const stream = openStream(t, sluice().pipeline('main').compressMessage())
  stream.feed(new MessageStart(), 'first')
  t.deepEqual(stream.output, [])
  await stream.next(event => event.kind === 0 && event.size > 10)
  const got = zlib.gunzipSync(stream.bytes, { finishFlush: zlib.constants.Z_SYNC_FLUSH })
  t.is(got.toString(), 'first')
})

test('a stream that ends within a body has a start and the end, and no more', async t => {
  const stream = openStream(t, sluice().pipeline('main').compressMessage())
  t.deepEqual(stream.feed(new MessageStart(), 'a').end('ReadError').output, ['<', '|ReadError'])
  const large = openStream(t, sluice().pipeline('main').compressMessage())
  large.feed(new MessageStart(), text(200_000)).end('ReadError')
  t.is((await large.ended()).error, 'ReadError')
})

test('the source of a large body is paused while zlib has more than it can take, and let go when the stream closes', async t => {
  const stream = openStream(t, sluice().pipeline('main').compressMessage())
  stream.feed(new MessageStart(), text(1_000_000))
  t.true(stream.source.isPaused)
  await stream.next(event => event.kind === 0)
  stream.feed(messageEnd)
  await stream.next(isEnd)
  t.false(stream.source.isPaused)

  const closed = openStream(t, sluice().pipeline('main').compressMessage())
  closed.feed(new MessageStart(), text(1_000_000)).close()
  t.false(closed.source.isPaused)
})

test('decompressHTTP goes by content-encoding, and takes it out of the head', async t => {
  const script = sluice().pipeline('main').decompressHTTP()
  const compressed = zlib.brotliCompressSync('hello')
  const stream = openStream(t, script)
  stream.feed(new Message({ headers: { 'content-encoding': 'BR', 'content-length': 9 } }, compressed))
  t.is(stream.text, 'hello')
  t.deepEqual(headOf(stream).headers, {})
  t.is(openStream(t, script).feed(new Message({ headers: {} }, 'plain')).text, 'plain')
  const unknown = openStream(t, script).feed(
    new Message({ headers: { 'content-encoding': 'compress' } }, 'xyz'),
  )
  t.is(unknown.text, 'xyz')
})

test('decompressHTTP leaves messages alone for which its callback says no', t => {
  const script = sluice()
    .pipeline('main')
    .decompressHTTP(() => false)
  const compressed = zlib.gzipSync('hello')
  const stream = openStream(t, script).feed(
    new Message({ headers: { 'content-encoding': 'gzip' } }, compressed),
  )
  t.deepEqual(stream.bytes, compressed)
})

test('deflate is read with and without the header of zlib', t => {
  const script = sluice().pipeline('main').decompressMessage('inflate')
  for (const bytes of [zlib.deflateSync('hi'), zlib.deflateRawSync('hi'), zlib.gzipSync('hi')])
    t.is(openStream(t, script).feed(new Message({}, bytes)).text, 'hi')
})

test('bytes that are not compressed, or are cut off, are the fault of the peer', async t => {
  const script = sluice().pipeline('main').decompressMessage('gzip')
  t.deepEqual(openStream(t, script).feed(new Message('no gzip')).output, ['|ProtocolError'])
  const cut = zlib.gzipSync('hello').subarray(0, -4)
  t.deepEqual(openStream(t, script).feed(new Message({ status: 200 }, cut)).output, [
    '|UpstreamProtocolError',
  ])
  const large = zlib.gzipSync(text(300_000)).subarray(0, -4)
  const stream = openStream(t, script).feed(new Message({}, large))
  t.is((await stream.ended()).error, 'ProtocolError')
})

test('a bomb ends the stream, small or large, by size and by ratio', async t => {
  const small = zlib.gzipSync(Buffer.alloc(20 * 1024 * 1024))
  const bySize = sluice().pipeline('main').decompressMessage('gzip', { maxSize: '1m' })
  const end = await openStream(t, bySize).feed(new Message({}, small)).ended()
  t.is(end.error, 'ProtocolError')
  t.regex(end.reason, /more than 1048576 bytes \(maxSize\)/)

  const byRatio = sluice().pipeline('main').decompressMessage('gzip')
  t.regex(
    (await openStream(t, byRatio).feed(new Message({}, small)).ended()).reason,
    /250 times larger \(maxRatio\)/,
  )

  const large = zlib.gzipSync(Buffer.alloc(200 * 1024 * 1024))
  t.true(large.length > 64 * 1024)
  const stream = openStream(t, byRatio).feed(new Message({}, large))
  t.regex((await stream.ended()).reason, /maxRatio|maxSize/)
  t.true(stream.bytes.length < 70 * 1024 * 1024)
})

test('a kilobyte of blanks is no bomb', t => {
  const blanks = ' '.repeat(500_000)
  const script = sluice().pipeline('main').decompressMessage('gzip')
  t.is(openStream(t, script).feed(new Message({}, zlib.gzipSync(blanks))).text, blanks)
})

test('methods and levels that are none are refused', t => {
  const load = (script: unknown) => (): unknown => testProgram(t, script)
  t.throws(
    load(
      sluice()
        .pipeline('main')
        .compressHTTP('lzma' as never),
    ),
    { message: /wants 'gzip'/ },
  )
  t.throws(load(sluice().pipeline('main').compressHTTP({ level: 99 })), { message: /option 'level'/ })
  t.throws(
    load(
      sluice()
        .pipeline('main')
        .decompressMessage(undefined as never),
    ),
    { message: /wants 'gzip'/ },
  )
})

/** A response of compressHTTP to a request with this Accept-Encoding field. */
function answered(
  t: ExecutionContext,
  accepts: string | undefined,
  how: unknown,
  head: object = {},
): MessageStart {
  const stream = openStream(
    t,
    sluice()
      .pipeline<HTTPResponseHead>('main')
      // The request is changed on its way: what the client accepts is known before.
      .handleMessageStart(start => {
        start.head.headers['accept-encoding'] = undefined
      })
      .replaceMessage(new Message({ status: 200, headers: { etag: '"x"' }, ...head }, 'some text'))
      .compressHTTP(how as 'gzip'),
  )
  const fields = accepts === undefined ? {} : { 'accept-encoding': accepts }
  stream.feed(new Message({ method: 'GET', path: '/', headers: fields }))
  const start = stream.session.outputs.seen[0] as MessageStart
  const { headers } = start.head as { headers: Record<string, string> }
  t.is(stream.bytes.toString() === 'some text', headers['content-encoding'] === undefined)
  return start
}

const fieldsOf = (start: MessageStart): Record<string, string | undefined> =>
  (start.head as { headers: Record<string, string> }).headers

test('a response is compressed in the way that its client likes best, of equals the first of the script', t => {
  const all = { method: ['zstd', 'br', 'gzip'] }
  for (const [accepts, chosen] of [
    ['gzip, deflate, br, zstd', 'zstd'],
    ['gzip, br', 'br'],
    ['br;q=0.5, gzip;q=0.8', 'gzip'],
    ['br;q=0.5, *;q=0.8', 'zstd'],
    ['*', 'zstd'],
    ['*;q=0, gzip', 'gzip'],
    ['x-gzip', 'gzip'],
    ['GZIP; Q=1.0', 'gzip'],
    ['identity, gzip;q=0.001', 'gzip'],
    [undefined, 'zstd'],
    ['', undefined],
    ['deflate', undefined],
    ['gzip;q=0, br;q=0.0', undefined],
    ['identity', undefined],
  ] as const) {
    const headers = fieldsOf(answered(t, accepts, all))
    t.is(headers['content-encoding'], chosen, `${accepts}`)
    t.is(headers.vary, 'accept-encoding', 'a cache must know that it depends on the field, either way')
    t.is(headers.etag, chosen === undefined ? '"x"' : 'W/"x"', `${accepts}`)
  }
})

test('one method, an array, and what a callback chooses are negotiated alike', t => {
  for (const how of [
    'gzip',
    ['br', 'gzip'],
    { method: 'gzip' },
    () => 'gzip',
    () => ['gzip'],
    () => ({ method: ['gzip'] }),
  ]) {
    t.is(fieldsOf(answered(t, 'gzip', how))['content-encoding'], 'gzip')
    t.is(fieldsOf(answered(t, 'deflate', how))['content-encoding'], undefined)
  }
  const without = fieldsOf(answered(t, 'deflate', { method: 'gzip', negotiate: false }))
  t.is(without['content-encoding'], 'gzip')
  t.is(fieldsOf(answered(t, 'gzip', () => null)).vary, undefined)
  t.is(fieldsOf(answered(t, 'gzip', 'gzip', { status: 206 }))['content-encoding'], undefined)
  t.is(fieldsOf(answered(t, 'br', 'gzip', { headers: { vary: 'Origin' } })).vary, 'Origin, accept-encoding')
})

test('requests that are pipelined through one pipeline have each its own wish', t => {
  const stream = openStream(
    t,
    sluice()
      .pipeline('main')
      .decodeHTTPRequest()
      .replaceMessage(request => [
        new Message({ status: 103, headers: {} }),
        new Message({ status: 200, headers: {} }, (request.head as { path: string }).path),
      ])
      .compressHTTP(['br', 'gzip']),
  )
  const request = (path: string, accepts: string): string =>
    `GET ${path} HTTP/1.1\r\nhost: a\r\naccept-encoding: ${accepts}\r\n\r\n`
  stream.feed(request('/1', 'br') + request('/2', 'gzip') + request('/3', 'zstd'))
  const starts = stream.session.outputs.seen.flatMap(event => (event.kind === 1 ? [event] : []))
  t.deepEqual(
    starts.map(start => fieldsOf(start)['content-encoding']),
    [undefined, 'br', undefined, 'gzip', undefined, undefined],
  )
})

test('requests are compressed whatever their own field accepts', t => {
  const stream = openStream(t, sluice().pipeline('main').compressHTTP('gzip'))
  stream.feed(new Message({ method: 'POST', path: '/', headers: { 'accept-encoding': 'identity' } }, 'text'))
  t.is(headOf(stream).headers?.['content-encoding'], 'gzip')
  t.is(headOf(stream).headers?.vary, undefined)
})
