/** decodeDubbo, encodeDubbo, decodeRESP, encodeRESP as they stand in pipelines; their codecs have tests of their own. */

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import test from 'ava'
import { sluice } from '../../../actors/index.ts'
import { Data, Message, MessageEnd, MessageStart, StreamEnd } from '../../../runtime/event.ts'
import { heartbeat, request, response } from '../../runtime/codec/dubbo/samples.ts'
import { freePorts } from '../../support/free-ports.ts'
import { type Input, openStream } from '../../support/stream.ts'
import { TcpClient } from '../../support/tcp-client.ts'

const main = () => sluice({ id: 0 }).pipeline('main')
const bytes = (buffer: Buffer) => new Data(buffer)

test('Dubbo passes decodeDubbo and encodeDubbo unchanged, split or not', t => {
  const script = main().decodeDubbo().encodeDubbo()
  t.deepEqual(
    openStream(t, script).feed(bytes(request), bytes(heartbeat)).bytes,
    Buffer.concat([request, heartbeat]),
  )
  const stream = openStream(t, script)
  for (const byte of response) stream.feed(bytes(Buffer.from([byte])))
  t.deepEqual(stream.bytes, response)
  stream.end()
  t.is(stream.output.at(-1), '|')
})

test('what is not Dubbo ends the stream with ProtocolError, once', t => {
  const stream = openStream(t, main().decodeDubbo())
  stream.feed('GET / HTTP/1.1\r\n', 'more').end()
  t.deepEqual(stream.output, ['|ProtocolError'])
})

test('a stream that ends inside a Dubbo message ends with ProtocolError, or with the error that it had', t => {
  const half = bytes(request.subarray(0, 20))
  t.is(openStream(t, main().decodeDubbo()).feed(half).end().output.at(-1), '|ProtocolError')
  t.is(openStream(t, main().decodeDubbo()).feed(half).end('ReadError').output.at(-1), '|ReadError')
})

test('encodeDubbo takes the head from the message, from an argument or from a callback', t => {
  const head = (script: unknown) =>
    openStream(t, script)
      .feed(new Message({ requestID: 9 }, 'x'))
      .bytes.toString('hex')
  t.is(head(main().encodeDubbo()), `dabbc200${'09'.padStart(16, '0')}0000000178`)
  t.is(head(main().encodeDubbo({ id: '8', isRequest: false })), `dabb0214${'08'.padStart(16, '0')}0000000178`)
  t.is(
    head(main().encodeDubbo(ctx => ({ requestID: ctx.id }))),
    `dabbc200${'00'.padStart(16, '0')}0000000178`,
  )
  t.is(head(main().encodeDubbo(() => undefined)), head(main().encodeDubbo()))
})

test('a Dubbo body above the limit ends the stream: one that comes with ProtocolError, one to be sent with BufferOverflow', t => {
  t.is(
    openStream(t, main().decodeDubbo({ maxBodySize: 10 }))
      .feed(bytes(request))
      .output.at(-1),
    '|ProtocolError',
  )
  const stream = openStream(t, main().encodeDubbo(undefined, { maxBodySize: 10 }))
  t.deepEqual(stream.feed(new Message({}, 'x'.repeat(11)), new Message({}, 'y')).output, ['|BufferOverflow'])
})

test('a head that Dubbo cannot write fails with RuntimeError', async t => {
  const stream = openStream(t, main().encodeDubbo())
  stream.feed(new Message({ status: 1000 }, 'x'))
  t.is((await stream.ended()).error, 'RuntimeError')
})

test('RESP passes decodeRESP and encodeRESP unchanged, split or not', t => {
  const script = main().decodeRESP().encodeRESP()
  const text =
    '*2\r\n$3\r\nGET\r\n$1\r\nk\r\n+OK\r\n-ERR no\r\n:5\r\n$-1\r\n*-1\r\n_\r\n,1\r\n>1\r\n#t\r\n%1\r\n$1\r\na\r\n:1\r\n'
  t.is(openStream(t, script).feed(text).text, text)
  const stream = openStream(t, script)
  for (const character of text) stream.feed(character)
  t.is(stream.text, text)
})

test('decodeRESP gives the bytes as the body and the value as the payload', t => {
  const seen: unknown[] = []
  const script = main()
    .decodeRESP()
    .handleMessage(({ head, body, payload }) => {
      seen.push({ ...head }, body?.toString(), payload)
    })
  openStream(t, script).feed('+O', 'K\r\n')
  t.deepEqual(seen, [{ type: 'string' }, '+OK\r\n', 'OK'])
})

test('encodeRESP writes the payload, or the body where there is none', t => {
  const write = (...given: Input[]) => openStream(t, main().encodeRESP()).feed(...given).text
  t.is(write(new MessageStart(), new Data('raw'), new MessageEnd(undefined, ['a'])), '*1\r\n$1\r\na\r\n')
  t.is(write(new Message({}, 'text')), '$4\r\ntext\r\n')
  t.is(write(new Message({ type: 'string' }, 'text')), '+text\r\n')
  t.is(write(new Message({})), '$-1\r\n')
  t.is(
    openStream(t, main().encodeRESP({ version: 2 })).feed(new MessageStart(), new MessageEnd(undefined, true))
      .text,
    ':1\r\n',
  )
})

test('what is not RESP ends the stream with ProtocolError, once; so does one that ends inside a value', t => {
  t.deepEqual(openStream(t, main().decodeRESP()).feed('PING\r\n', '+OK\r\n').end().output, ['|ProtocolError'])
  t.is(openStream(t, main().decodeRESP()).feed('$5\r\nab').end().output.at(-1), '|ProtocolError')
  t.is(
    openStream(t, main().decodeRESP({ maxDepth: 1 }))
      .feed('*1\r\n*1\r\n')
      .output.at(-1),
    '|ProtocolError',
  )
  t.deepEqual(openStream(t, main().decodeRESP()).feed(new StreamEnd()).output, ['|'])
})

test('options that these filters do not have are refused', t => {
  t.throws(() => openStream(t, main().decodeRESP({ maxSize: 1 } as never)), { code: 'BadOption' })
  t.throws(() => openStream(t, main().encodeRESP({ version: 4 as never })), {
    code: 'BadOption',
    message: /2 or 3/,
  })
  t.throws(() => openStream(t, main().encodeDubbo('head' as never)), { code: 'BadOption' })
  t.throws(() => openStream(t, main().decodeDubbo({ maxBodySize: 'big' })), { code: 'BadOption' })
})

const redis = spawnSync('redis-server', ['--version']).error === undefined
const withRedis = redis ? test : test.skip

withRedis(
  'a real Redis understands what is written, and is understood (skipped without redis-server on the PATH)',
  async t => {
    const port = await freePorts(1)
    const server = spawn('redis-server', ['--port', String(port), '--save', '', '--bind', '127.0.0.1'])
    t.teardown(() => server.kill())
    for await (const line of server.stdout) if (String(line).includes('Ready to accept')) break
    const { RESP } = await import('../../../runtime/api/index.ts')
    const client = await TcpClient.connect(port)
    const commands = [
      ['HELLO', '3'],
      ['SET', 'k', 'v'],
      ['HSET', 'h', 'a', '1', 'b', '2'],
      ['HGETALL', 'h'],
      ['SADD', 's', 'x'],
      ['SMEMBERS', 's'],
      ['ZADD', 'z', '1.5', 'm'],
      ['ZSCORE', 'z', 'm'],
      ['GET', 'none'],
      ['NOSUCH'],
      ['COMMAND', 'DOCS'],
      ['ECHO', 'end'],
    ]
    for (const command of commands) client.write(RESP.encode(command).toString('latin1'))
    const received = Buffer.from(await client.read(/\$3\r\nend\r\n$/), 'latin1')
    const [hello, ok, two, hash, one, members, added, score, none, error, docs, end] = RESP.decode(
      new Data(received),
    )
    t.is((hello as Map<string, unknown>).get('proto'), 3)
    t.is(String((hello as Map<string, unknown>).get('server')), 'redis')
    t.deepEqual([ok, two, one, added, score, none], ['OK', 2, 1, 1, 1.5, null])
    t.deepEqual(
      [...(hash as Map<string, Data>)].map(([key, value]) => [key, String(value)]),
      [
        ['a', '1'],
        ['b', '2'],
      ],
    )
    t.deepEqual(members, new Set(['x']))
    t.regex((error as Error).message, /^ERR unknown command/)
    t.true((docs as Map<string, unknown>).size > 200)
    t.is(String(end), 'end')
    server.kill()
    await once(server, 'exit')
  },
)
