/** acceptSOCKS and connectSOCKS: a handshake, then a stream. */

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import test from 'ava'
import fc from 'fast-check'
import { Data, sluice } from '../../actors/index.ts'
import { PipelineBuilder, ScriptBuilder } from '../../actors/script/builder.ts'
import { scope } from '../../runtime/script/scope.ts'
import { cutAt, noise, places, spoiled } from '../support/cuts.ts'
import { runScript } from '../support/run-script.ts'
import { openStream, testProgram } from '../support/stream.ts'
import { answering, reply, Upstream } from '../support/upstream.ts'

const latin1 = (text: string): Data => new Data(text, 'latin1')
const greeting = '\x05\x01\0'
const request = '\x05\x01\0\x03\x0bexample.com\0\x50'
const connected = '050000010000' + '00000000'

/** A pipeline that grants what goes to example.com, and gives back what it gets. */
const example = () =>
  sluice({ asked: '' })
    .pipeline('main')
    .acceptSOCKS(({ domain, ip, port, id }, ctx) => {
      ctx.asked += `${domain ?? ip}:${port} ${id}`
      return domain === 'example.com'
    })
    .to($ => $.replaceData(data => new Data(`<${data}>`)))

test('a granted client is told so, and its stream goes through the sub-pipeline', t => {
  const stream = openStream(t, example()).feed('', latin1(greeting))
  t.is(stream.bytes.toString('hex'), '0500')
  stream.feed(latin1(request))
  t.is(stream.bytes.toString('hex'), `0500${connected}`)
  t.is(stream.feed('hello', ' there').bytes.subarray(12).toString(), '<hello>< there>')
  t.is(stream.context.asked, 'example.com:80 ')
  t.is(stream.end().output.at(-1), '|')
})

test('what comes with the handshake in one piece is not lost', t => {
  const stream = openStream(t, example()).feed(latin1(`${greeting}${request}at once`))
  t.is(stream.bytes.subarray(12).toString(), '<at once>')
})

test('SOCKS4a tells its user', t => {
  const stream = openStream(t, example()).feed(latin1('\x04\x01\0\x50\0\0\0\x01joe\0example.com\0hi'))
  t.is(stream.bytes.toString('hex', 0, 8), '005a000000000000')
  t.is(stream.bytes.subarray(8).toString(), '<hi>')
  t.is(stream.context.asked, 'example.com:80 joe')
})

test('a refused client is told so, and its stream ends', t => {
  const stream = openStream(t, example()).feed(latin1('\x04\x01\0\x50\x0a\0\0\x01\0more'))
  t.is(stream.bytes.toString('hex'), '005b000000000000')
  t.is(stream.output.at(-1), '|Unauthorized')
  t.is(stream.feed('more').end().output.length, 2)
})

test('a promise is waited for, and what comes meanwhile waits, within bounds', async t => {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const script = sluice()
    .pipeline('main')
    .acceptSOCKS(() => promise)
    .to($ => $.replaceData(data => new Data(data.toString().toUpperCase())))
  const stream = openStream(t, script).feed(latin1(`${greeting}${request}first`), 'second')
  t.is(stream.bytes.toString('hex'), '0500')
  t.false(stream.source.isPaused)
  stream.feed('x'.repeat(70_000))
  t.true(stream.source.isPaused)
  resolve(true)
  await stream.next(event => event.kind === 0 && event.size === 70_000)
  t.is(stream.bytes.subarray(12, 23).toString(), 'FIRSTSECOND')
  t.false(stream.source.isPaused)
})

test('a callback that throws, or whose promise fails, ends the stream', async t => {
  for (const grant of [
    () => {
      throw new Error('no')
    },
    () => Promise.reject(new Error('no')),
  ]) {
    const script = sluice()
      .pipeline('main')
      .acceptSOCKS(grant)
      .to($ => $.dummy())
    const { open, logs } = testProgram(t, script)
    const stream = open().feed(latin1(greeting + request))
    t.is((await stream.ended()).error, 'RuntimeError')
    t.is(logs.length, 1)
  }
})

test('a stream that ends before a byte has come just ends, one that ends inside the handshake is broken', t => {
  t.deepEqual(openStream(t, example()).feed('').end().output, ['|'])
  t.deepEqual(openStream(t, example()).feed('\x05').end().output, ['|ProtocolError'])
  t.deepEqual(openStream(t, example()).feed('\x05').end('ConnectionReset').output, ['|ConnectionReset'])
})

test('a client that says nothing more is not waited for for long', async t => {
  const script = sluice()
    .pipeline('main')
    .acceptSOCKS(() => true, { handshakeTimeout: '10ms' })
    .to($ => $.dummy())
  t.is((await openStream(t, script).feed('\x05').ended()).error, 'ReadTimeout')
})

test('any bytes, however cut, give a stream or one ProtocolError', t => {
  const handshake = fc.constantFrom(Buffer.from(`${greeting}${request}rest`, 'latin1'))
  fc.assert(
    fc.property(fc.oneof(noise(600), spoiled(handshake)), places, (bytes, at) => {
      const outputs = [[bytes], cutAt(bytes, at)].map(pieces => {
        const stream = openStream(t, example())
        for (const piece of pieces) stream.feed(Data.borrow(piece, 0, piece.length))
        return stream.end()
      })
      const ends = outputs.map(({ output }) => output.filter(each => each.startsWith('|')))
      t.is(ends[0]?.length, 1)
      t.true(['|', '|ProtocolError', '|Unauthorized'].includes(ends[0]?.[0] as string), ends[0]?.[0])
      t.deepEqual(ends[1], ends[0])
    }),
    { numRuns: 200 },
  )
})

test('in the older form the pipeline stands in front, and the callback gets host, port and id', t => {
  const asked: unknown[][] = []
  const older = new ScriptBuilder({}, true) as unknown as Record<string, (...args: unknown[]) => typeof older>
  const script = older
    .pipeline?.('main')
    .acceptSOCKS?.('echo', (...args: unknown[]) => asked.push([...args, scope.current !== undefined]))
    .pipeline?.('echo')
  t.true(script instanceof PipelineBuilder)
  openStream(t, script).feed(latin1('\x04\x01\0\x50\x0a\0\0\x01joe\0'))
  t.deepEqual(asked, [['10.0.0.1', 80, 'joe', true]])
})

test('a call that cannot work is refused when the script is loaded', t => {
  const main = () => sluice().pipeline('main')
  t.throws(
    () =>
      openStream(
        t,
        main().acceptSOCKS(() => true),
      ),
    { code: 'BadOption' },
  )
  t.throws(
    () =>
      openStream(
        t,
        main()
          .acceptSOCKS('x' as never)
          .to($ => $.dummy()),
      ),
    { code: 'BadOption' },
  )
  t.throws(
    () =>
      openStream(
        t,
        main()
          .connectSOCKS('nowhere')
          .to($ => $.dummy()),
      ),
    { code: 'BadOption' },
  )
  t.throws(
    () =>
      openStream(
        t,
        main()
          .connectSOCKS(7 as never)
          .to($ => $.dummy()),
      ),
    { code: 'BadOption' },
  )
})

/** A proxy made of the filters themselves, and a client of it. */
const proxy = () =>
  sluice({ target: '' })
    .listen('127.0.0.1:0')
    .acceptSOCKS(({ ip, domain, port }, ctx) => {
      ctx.target = `${domain ?? ip}:${port}`
      return port !== 1
    })
    .to($ => $.connect(ctx => ctx.target))

test('connectSOCKS reaches a target through acceptSOCKS', async t => {
  const upstream = await Upstream.start(
    t,
    answering(() => reply('you sent it')),
  )
  const { port } = await runScript(t, proxy())
  for (const host of ['127.0.0.1', 'localhost']) {
    const script = sluice()
      .pipeline('main')
      .connectSOCKS(async () => `${host}:${upstream.port}`)
      .to($ => $.connect(`127.0.0.1:${port}`))
    const stream = openStream(t, script).feed('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await stream.next(() => stream.text.includes('you sent'))
    t.regex(stream.text, /^HTTP\/1\.1 200/)
  }
})

test('curl is served', async t => {
  const upstream = await Upstream.start(
    t,
    answering(() => reply('from behind')),
  )
  const { port } = await runScript(t, proxy())
  for (const scheme of ['socks4', 'socks4a', 'socks5', 'socks5h']) {
    const { stdout } = await promisify(execFile)('curl', [
      ...['-s', '--proxy', `${scheme}://127.0.0.1:${port}`],
      `http://localhost:${upstream.port}/`,
    ])
    t.is(stdout, 'from behind', scheme)
  }
})

test('a refusal, a target that is down and a proxy that is none end the stream in words', async t => {
  const { port } = await runScript(t, proxy())
  const none = await Upstream.start(t, connection => connection.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
  const early = await Upstream.start(t, connection => connection.end())
  for (const [target, via, code] of [
    ['127.0.0.1:1', port, 'Unauthorized'],
    ['127.0.0.1:80', none.port, 'UpstreamProtocolError'],
    ['127.0.0.1:80', early.port, 'ConnectionReset'],
    ['127.0.0.1:80', 1, 'ConnectionRefused'],
  ] as const) {
    const script = sluice()
      .pipeline('main')
      .connectSOCKS(target)
      .to($ => $.connect(`127.0.0.1:${via}`))
    t.is((await openStream(t, script).feed('hello').ended()).error, code)
  }
})

test('a proxy that does not answer is given up, and what waits for it is bounded', async t => {
  const silent = await Upstream.start(t)
  const script = sluice()
    .pipeline('main')
    .connectSOCKS('127.0.0.1:80', { handshakeTimeout: '10ms' })
    .to($ => $.connect(`127.0.0.1:${silent.port}`))
  const stream = openStream(t, script).feed('x'.repeat(70_000))
  t.true(stream.source.isPaused)
  t.is((await stream.ended()).error, 'ConnectionTimeout')
  t.false(stream.source.isPaused)
})

test('a stream that ends at once never connects', t => {
  const script = sluice()
    .pipeline('main')
    .connectSOCKS('127.0.0.1:80')
    .to($ => $.connect('127.0.0.1:1'))
  t.deepEqual(openStream(t, script).end().output, ['|'])
})
