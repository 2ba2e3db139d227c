/** Bodies are recorded as far as the script wants, whatever they are, and cost bounded memory. */

import { brotliCompressSync, gzipSync, zstdCompressSync } from 'node:zlib'
import test, { type ExecutionContext } from 'ava'
import type { LogTrafficOptions } from '../../../actors/index.ts'
import { Bulk } from '../../support/bulk.ts'
import type { LoggedDocument } from '../../support/memory-sinks.ts'
import { answering, reply, Upstream } from '../../support/upstream.ts'
import { startLogging } from './support.ts'

type Options = LogTrafficOptions<Record<never, never>>

/** What is logged of one request with this body. */
async function logged(
  t: ExecutionContext,
  options: Options,
  body: string | Buffer,
  ...fields: string[]
): Promise<LoggedDocument> {
  const upstream = await Upstream.start(
    t,
    answering(() => reply('fine', '200 OK', 'Content-Type: text/plain')),
  )
  const { proxy, next, settled } = await startLogging(t, upstream.port, options)
  const client = await proxy.client()
  const lines = ['POST /?pin=1 HTTP/1.1', 'Host: a', ...fields, `Content-Length: ${Buffer.byteLength(body)}`]
  client.socket.write(`${lines.join('\r\n')}\r\n\r\n`)
  client.socket.write(body)
  t.is((await client.response('POST')).body, 'fine')
  const document = await next()
  client.destroy()
  await settled(1)
  return document
}

const bodyOf = async (
  t: ExecutionContext,
  bodies: Options['bodies'],
  body: string | Buffer,
  ...fields: string[]
): Promise<LoggedDocument> => (await logged(t, { bodies: bodies as true }, body, ...fields)).http.request.body

const json = 'Content-Type: application/json'

test('without the option only sizes are recorded', async t => {
  const { http } = await logged(t, {}, '{}', json)
  t.deepEqual(http.request.body, { bytes: 2 })
  t.deepEqual(http.response.body, { bytes: 4 })
})

test('each side can be left out', async t => {
  const { http } = await logged(t, { bodies: { request: false } }, '{}', json)
  t.deepEqual(http.request.body, { bytes: 2 })
  t.deepEqual(http.response.body, { bytes: 4, content: 'fine' })
})

test('a body is cut at the limit, between characters, and its true size told', async t => {
  t.deepEqual(await bodyOf(t, { limit: 4 }, 'abcéf', 'Content-Type: text/plain'), {
    bytes: 6,
    content: 'abc',
    truncated: true,
  })
  t.deepEqual(await bodyOf(t, { limit: 5 }, 'abcé', 'Content-Type: text/plain'), {
    bytes: 5,
    content: 'abcé',
  })
})

test('types that are not wanted are left out, and so is what is no text', async t => {
  t.deepEqual(await bodyOf(t, true, 'x', 'Content-Type: image/png'), { bytes: 1, omitted: 'type' })
  t.deepEqual(await bodyOf(t, true, 'x'), { bytes: 1, omitted: 'type' })
  t.deepEqual(await bodyOf(t, { types: ['xml'] }, '{}', json), { bytes: 2, omitted: 'type' })
  t.deepEqual(await bodyOf(t, { types: ['*'] }, 'x', 'Content-Type: image/png'), {
    bytes: 1,
    omitted: 'binary',
  })
})

test('what is no text can be had as base64', async t => {
  const bytes = Buffer.from([0, 255, 1])
  t.deepEqual(await bodyOf(t, { types: ['image/*'], binary: 'base64' }, bytes, 'Content-Type: image/png'), {
    bytes: 3,
    content: bytes.toString('base64'),
    encoding: 'base64',
  })
})

test('charsets are understood', async t => {
  t.is(
    (await bodyOf(t, true, Buffer.from('é', 'latin1'), 'Content-Type: text/plain; charset=ISO-8859-1'))
      .content,
    'é',
  )
  t.is(
    (await bodyOf(t, true, Buffer.from('é', 'utf16le'), 'Content-Type: text/plain; charset="utf-16le"'))
      .content,
    'é',
  )
  t.is((await bodyOf(t, true, 'é', 'Content-Type: text/plain')).content, 'é')
  t.is((await bodyOf(t, true, 'x', 'Content-Type: text/plain; charset=klingon')).omitted, 'encoding')
})

for (const [name, compress] of [
  ['gzip', gzipSync],
  ['br', brotliCompressSync],
  ['zstd', zstdCompressSync],
] as const) {
  test(`${name}: a compressed body is recorded as it was before, when asked`, async t => {
    const bytes = compress('{"pin":1,"a":"é"}') as Buffer
    const fields = [json, `Content-Encoding: ${name}`]
    const { http } = await logged(t, { bodies: { decompress: true }, redact: ['pin'] }, bytes, ...fields)
    t.deepEqual(http.request.body, { bytes: bytes.length, content: '{"pin":"[redacted]","a":"é"}' })
    t.deepEqual(await bodyOf(t, true, bytes, ...fields), { bytes: bytes.length, omitted: 'encoding' })
  })
}

test('a body that unpacks to very much is unpacked up to the limit', async t => {
  const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024, 'x'))
  const body = await bodyOf(t, { decompress: true, limit: '100k' }, bomb, json, 'Content-Encoding: gzip')
  t.is(body.content.length, 100 * 1024)
  t.like(body, { bytes: bomb.length, truncated: true })
})

test('a compressed body that is damaged, or was cut, is shown as far as it can be read', async t => {
  const bytes = gzipSync('hello '.repeat(1000))
  const body = await bodyOf(t, { decompress: true }, bytes.subarray(0, 40), json, 'Content-Encoding: gzip')
  t.like(body, { bytes: 40, truncated: true })
  t.deepEqual(await bodyOf(t, { decompress: true }, 'plain', json, 'Content-Encoding: gzip'), {
    bytes: 5,
    content: '',
    truncated: true,
  })
})

test('credentials are never recorded, unless the script reveals them', async t => {
  const fields = [
    'Authorization: Basic eDp5',
    'Cookie: a=b',
    'X-Pin: 1',
    'Referer: http://u:p@b.example/?pin=2',
  ]
  const hidden = await logged(t, { redact: [/pin/i] }, '', ...fields)
  t.like(hidden.http.request.headers, {
    authorization: '[redacted]',
    cookie: '[redacted]',
    'x-pin': '[redacted]',
    referer: 'http://b.example/?pin=[redacted]',
  })
  t.is(hidden.http.request.referrer, 'http://b.example/?pin=[redacted]')
  t.like(hidden.url, {
    original: '/?pin=[redacted]',
    query: 'pin=[redacted]',
    full: 'http://a/?pin=[redacted]',
  })
  const shown = await logged(t, { reveal: ['Cookie'] }, '', ...fields)
  t.like(shown.http.request.headers, { authorization: '[redacted]', cookie: 'a=b', 'x-pin': '1' })
})

test('where proxies note the target of a request, its parameters are hidden as well', async t => {
  const { http } = await logged(
    t,
    { redact: ['pin'] },
    '',
    'X-Forwarded-Uri: /a?pin=1&b=2',
    'X-Original-URL: https://ada:secret@a.example/?pin=1',
    'Referer: https://a.example/?user[pin]=1',
  )
  t.like(http.request.headers, {
    'x-forwarded-uri': '/a?pin=[redacted]&b=2',
    'x-original-url': 'https://a.example/?pin=[redacted]',
    referer: 'https://a.example/?user[pin]=[redacted]',
  })
})

test('fields of heads can be left out; one that comes twice is one member', async t => {
  t.is((await logged(t, { headers: false }, '')).http.request.headers, undefined)
  const { http } = await logged(t, {}, '', 'X-A: 1', 'x-a: 2', 'Cookie: a', 'Cookie: b', 'X-Tab: a\t"b"')
  t.like(http.request.headers, { 'x-a': '1, 2', cookie: '[redacted]', 'x-tab': 'a\t"b"' })
})

test('a body that cannot be looked through is not shown when there is something to hide', async t => {
  const { http } = await logged(t, { bodies: true, redact: ['pin'] }, "{'pin':1}", json)
  t.deepEqual(http.request.body, { bytes: 9, omitted: 'redaction' })
  const cut = await logged(t, { bodies: { limit: 12 }, redact: ['pin'] }, '{"a":1,"pin":"1234567"}', json)
  t.deepEqual(cut.http.request.body, { bytes: 23, content: '{"a":1,"pin"', truncated: true })
  const packed = await logged(
    t,
    { bodies: { binary: 'base64' }, redact: ['pin'] },
    gzipSync('{"pin":1}'),
    json,
    'Content-Encoding: gzip',
  )
  t.is(packed.http.request.body.omitted, 'redaction')
})

test('a type that is hidden itself still says what is to be hidden in the body', async t => {
  for (const type of [json, 'CONTENT-TYPE:\tapplication/json']) {
    const { http } = await logged(
      t,
      { bodies: true, redact: ['pin', 'content-type'] },
      '{"a":"b","pin":1}',
      type,
    )
    t.is(http.request.headers['content-type'], '[redacted]')
    t.is(http.request.mime_type, undefined)
    t.deepEqual(JSON.parse(http.request.body.content), { a: 'b', pin: '[redacted]' })
  }
})

test('a body in an encoding that it does not name is not shown when there is something to hide', async t => {
  for (const type of [
    json,
    'Content-Type: application/xml',
    'Content-Type: application/x-www-form-urlencoded',
  ]) {
    const { http } = await logged(
      t,
      { bodies: true, redact: ['pin'] },
      Buffer.from('{"pin":1}', 'utf16le'),
      type,
    )
    t.is(http.request.body.omitted, 'redaction', type)
  }
})

test('JSON that is sent as plain text, as browsers send beacons, is looked through', async t => {
  const text = 'Content-Type: text/plain;charset=UTF-8'
  const options = { bodies: true, redact: ['pin'] } as const
  t.is((await logged(t, options, ' {"pin":1}', text)).http.request.body.content, ' {"pin":"[redacted]"}')
  t.is((await logged(t, options, '{pin:1}', text)).http.request.body.omitted, 'redaction')
  t.is(
    (await logged(t, options, '[12:00] all is well', text)).http.request.body.content,
    '[12:00] all is well',
  )
  t.is((await logged(t, options, 'pin 1', text)).http.request.body.content, 'pin 1')
})

test('uploads and downloads of 8 MiB in chunks are recorded in the memory of the limit', async t => {
  const size = 8 * 1024 * 1024
  const upstream = await Upstream.start(t, async connection => {
    for (;;) {
      await connection.read(/\r\n\r\n/)
      await Bulk.receive(connection, size).done
      connection.write(`HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${size}\r\n\r\n`)
      await Bulk.send(connection.socket, size).done
    }
  })
  const { proxy, sinks, next, settled } = await startLogging(t, upstream.port, { bodies: { limit: '64k' } })
  const client = await proxy.client()
  for (let i = 0; i < 4; i++) {
    client.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: ${size}\r\n\r\n`)
    await Bulk.send(client.socket, size).done
    await client.read(/\r\n\r\n/)
    await Bulk.receive(client, size).done
    const { http } = await next()
    t.is(http.request.body.bytes, size)
    t.is(http.request.body.content.length, 64 * 1024)
    t.like(http.response.body, { bytes: size, truncated: true })
    client.forget()
    client.tap = undefined
  }
  client.destroy()
  await settled(4)
  t.is(sinks.entries.length, 4)
})
