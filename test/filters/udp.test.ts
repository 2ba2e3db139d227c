/** UDP: `listen` and `connect` with datagrams, each a message. */

import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import test, { type ExecutionContext } from 'ava'
import { Data, Message, StreamEnd, sluice } from '../../actors/index.ts'
import { maxDatagramBytes } from '../../runtime/net/udp.ts'
import { Occurrences } from '../support/occurrences.ts'
import { until } from '../support/proxy.ts'
import { runScript } from '../support/run-script.ts'
import { openStream, testProgram } from '../support/stream.ts'

interface Peer {
  readonly socket: Socket
  readonly port: number
  readonly received: Occurrences<string>
  send(text: string | Buffer, port: number): void
}

/** A UDP socket of the test's own. */
async function peer(
  t: ExecutionContext,
  answer?: (text: string) => string,
  family: 4 | 6 = 4,
): Promise<Peer> {
  const socket = createSocket(`udp${family}`)
  const host = family === 4 ? '127.0.0.1' : '::1'
  socket.bind(0, host)
  await once(socket, 'listening')
  t.teardown(() => socket.close())
  const received = new Occurrences<string>()
  socket.on('message', (bytes, { address, port }) => {
    received.add(String(bytes))
    if (answer !== undefined) socket.send(answer(String(bytes)), port, address)
  })
  return {
    socket,
    port: socket.address().port,
    received,
    send: (text, port) => socket.send(text, port, host),
  }
}

const udp = { protocol: 'udp' } as const

test('each datagram is a message, and each message that comes out is a datagram to the same peer', async t => {
  const script = sluice()
    .listen('127.0.0.1:0', udp)
    .replaceMessage(({ body }, { __inbound }) => [
      new Message(`${__inbound?.remotePort} ${body}`),
      new Message(body),
    ])
  const { port } = await runScript(t, script)
  const [one, two] = [await peer(t), await peer(t)]
  one.send('a', port)
  two.send('b', port)
  t.deepEqual([await one.received.next(), await one.received.next()], [`${one.port} a`, 'a'])
  t.deepEqual([await two.received.next(), await two.received.next()], [`${two.port} b`, 'b'])
})

test('bytes outside of messages are datagrams as well, and an empty message is an empty datagram', async t => {
  const script = sluice()
    .listen('127.0.0.1:0', udp)
    .replaceMessage(({ body }) =>
      body === undefined || body.size === 0 ? new Message() : new Data(`<${body}>`),
    )
  const { port } = await runScript(t, script)
  const one = await peer(t)
  one.send('a', port)
  t.is(await one.received.next(), '<a>')
  one.send('', port)
  t.is(await one.received.next(), '')
})

test('a peer has one session as long as it sends, with its own variables', async t => {
  const script = sluice({ count: 0 })
    .listen('127.0.0.1:0', udp)
    .replaceMessage((_, ctx) => new Message(String(++ctx.count)))
  const { host, port } = await runScript(t, script)
  const [one, two] = [await peer(t), await peer(t)]
  one.send('x', port)
  await one.received.next(text => text === '1')
  one.send('x', port)
  await one.received.next(text => text === '2')
  two.send('x', port)
  t.is(await two.received.next(), '1')
  t.is(host.status().sessions, 2)
})

test('a session ends when nothing moves any more, or when its pipeline says so', async t => {
  const ends: string[] = []
  const idle = sluice()
    .listen('127.0.0.1:0', { ...udp, idleTimeout: '10ms' })
    .handleStreamEnd(({ error }) => {
      ends.push(`idle ${error}`)
    })
    .listen('127.0.0.1:0', udp)
    .replaceMessage(msg => [msg, new StreamEnd()])
  const { host, ports } = await runScript(t, idle)
  const one = await peer(t)
  one.send('x', ports[0] as number)
  t.is(await one.received.next(), 'x')
  await until(() => host.status().sessions === 0)
  t.deepEqual(ends, ['idle '])
  one.send('y', ports[1] as number)
  t.is(await one.received.next(), 'y')
  await until(() => host.status().sessions === 0)
})

test('peers are bounded: what has no room is dropped', async t => {
  const script = sluice()
    .listen('127.0.0.1:0', { ...udp, maxConnections: 2 })
    .handleMessage(() => {})
  const { host, port } = await runScript(t, script)
  const peers = [await peer(t), await peer(t), await peer(t)]
  for (const each of peers.slice(0, 2)) {
    each.send('x', port)
    await each.received.next()
  }
  peers[2]?.send('x', port)
  peers[0]?.send('y', port)
  await peers[0]?.received.next(text => text === 'y')
  t.deepEqual(peers[2]?.received.seen, [])
  t.is(host.status().sessions, 2)
  const [received, sent] = host.status().edges.filter(({ kind }) => kind === 'datagrams')
  t.like(received, { accepted: 4, delivered: 3, dropped: { peers: 1 } })
  t.like(sent, { accepted: 3, delivered: 3, dropped: {} })
})

test('a message too large for a datagram is dropped, one that just fits is not', async t => {
  const script = sluice()
    .listen('127.0.0.1:0', udp)
    .replaceMessage(({ body }) => [
      new Message(Buffer.alloc(maxDatagramBytes + 1)),
      new Message(Buffer.alloc(Number(body?.toString()), 'a')),
    ])
  const { host, port } = await runScript(t, script)
  const one = await peer(t)
  one.send(String(maxDatagramBytes), port)
  t.is((await one.received.next()).length, maxDatagramBytes)
  const sent = host.status().edges.find(({ kind, from }) => kind === 'datagrams' && !from.startsWith('udp'))
  t.like(sent, { accepted: 2, delivered: 1, dropped: { 'no-room': 1 } })
})

test('a callback that throws ends that session alone', async t => {
  const script = sluice()
    .listen('127.0.0.1:0', udp)
    .handleMessage(({ body }) => {
      if (String(body) === 'bad') throw new Error('no')
    })
  const { host, port, logs } = await runScript(t, script)
  const [one, two] = [await peer(t), await peer(t)]
  one.send('bad', port)
  two.send('good', port)
  t.is(await two.received.next(), 'good')
  await until(() => host.status().sessions === 1)
  t.is(logs.length, 1)
})

test('draining ends the sessions, and the port is free again', async t => {
  const script = sluice()
    .listen('127.0.0.1:0', udp)
    .handleMessage(() => {})
  const { host, port } = await runScript(t, script)
  const one = await peer(t)
  one.send('x', port)
  await one.received.next()
  await host.drain(10_000)
  t.is(host.status().sessions, 0)
  const again = createSocket('udp4').bind(port, '127.0.0.1')
  await once(again, 'listening')
  again.close()
})

test('IPv6 peers are served', async t => {
  const script = sluice()
    .listen('[::1]:0', udp)
    .replaceMessage((_, { __inbound }) => new Message(`${__inbound?.remoteAddress}`))
  const { port } = await runScript(t, script)
  const one = await peer(t, undefined, 6)
  one.send('x', port)
  t.is(await one.received.next(), '::1')
})

// connect

const connecting = (target: string | (() => string | Promise<string>), options = {}) =>
  sluice()
    .pipeline('main')
    .connect(target, { ...udp, ...options })

test('connect sends messages as datagrams and puts out those that come', async t => {
  const server = await peer(t, text => `<${text}>`)
  for (const target of [
    `127.0.0.1:${server.port}`,
    `localhost:${server.port}`,
    async () => `127.0.0.1:${server.port}`,
  ]) {
    const stream = openStream(t, connecting(target)).feed(new Message('one'), 'two')
    await stream.next(() => stream.text.length === 10)
    // The network keeps datagrams apart, and need not keep their order.
    t.deepEqual(stream.output, ['<', '<one>', '>', '<', '<two>', '>'])
  }
})

test('answers are waited for behind the end of the stream, as long as idleTimeout', async t => {
  const server = await peer(t, text => text)
  const script = connecting(`127.0.0.1:${server.port}`, { idleTimeout: '10ms' })
  const stream = openStream(t, script).feed(new Message('late')).end()
  await stream.ended()
  t.deepEqual(stream.output, ['<', 'late', '>', '|'])
})

test('silence ends the stream with the name of the limit', async t => {
  const server = await peer(t)
  for (const [option, code] of [
    ['idleTimeout', 'IdleTimeout'],
    ['readTimeout', 'ReadTimeout'],
  ] as const) {
    const stream = openStream(t, connecting(`127.0.0.1:${server.port}`, { [option]: '10ms' })).feed('x')
    t.is((await stream.ended()).error, code)
  }
})

test('a target that is not there, or has no address, is told', async t => {
  const gone = createSocket('udp4').bind(0, '127.0.0.1')
  await once(gone, 'listening')
  const { port } = gone.address()
  gone.close()
  t.is(
    (
      await openStream(t, connecting(`127.0.0.1:${port}`))
        .feed('x')
        .ended()
    ).error,
    'ConnectionRefused',
  )
  t.is((await openStream(t, connecting('nowhere.invalid:1')).feed('x').ended()).error, 'CannotResolve')
  t.deepEqual(openStream(t, connecting((() => 7) as never)).feed('x').output, ['|RuntimeError'])
  t.deepEqual(openStream(t, connecting('127.0.0.1:1')).end().output, ['|'])
})

test('what waits for the socket is bounded', async t => {
  const server = await peer(t)
  const script = connecting(`127.0.0.1:${server.port}`, { bufferLimit: 10 })
  const { open, program } = testProgram(t, script)
  open().feed('12345', '67890', 'abc')
  t.is(await server.received.next(text => text !== '12345'), '67890')
  t.deepEqual(server.received.seen, ['12345', '67890'])
  const sent = program.edges.find(({ kind, to }) => kind === 'datagrams' && to.startsWith('udp'))
  t.like(sent?.row(), { accepted: 3, delivered: 2, inFlight: 0, dropped: { 'no-room': 1 } })
  t.true(program.edges.every(({ isBalanced }) => isBalanced))
})

test('a UDP proxy: datagrams to the target and back', async t => {
  const server = await peer(t, text => text.toUpperCase())
  const script = sluice().listen('127.0.0.1:0', udp).connect(`127.0.0.1:${server.port}`, udp)
  const { host, port } = await runScript(t, script)
  const one = await peer(t)
  one.send('hello', port)
  t.is(await one.received.next(), 'HELLO')
  host.stop()
  await until(() => host.status().sessions === 0)
})

test('what cannot work is refused when the script is loaded', async t => {
  const bad = (options: object) =>
    sluice()
      .listen(1, options as never)
      .dummy()
  t.throws(() => testProgram(t, bad({ transparent: true })), { code: 'BadOption', message: /IP_TRANSPARENT/ })
  t.throws(() => testProgram(t, bad({ ...udp, tls: {} })), { code: 'BadOption' })
  t.throws(() => testProgram(t, bad({ protocol: 'sctp' })), { code: 'BadOption' })
  t.throws(() => testProgram(t, connecting('a:1', { tls: true })), { code: 'BadOption' })
  // In TypeScript this does not compile.
  const demuxed = sluice().listen(1, udp) as unknown as { serveHTTP(handler: Message): object }
  t.throws(() => testProgram(t, demuxed.serveHTTP(new Message())), { code: 'ScriptError' })
  const taken = createSocket('udp4').bind(0, '127.0.0.1')
  await once(taken, 'listening')
  t.teardown(() => taken.close())
  const script = sluice().listen(`127.0.0.1:${taken.address().port}`, udp).dummy()
  await t.throwsAsync(runScript(t, script), { code: 'ListenFailed' })
})
