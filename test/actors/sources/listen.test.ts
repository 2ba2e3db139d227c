/** listen: who is accepted, what a session knows of its connection, and how each of its ends comes about. */

import { once } from 'node:events'
import { connect as connectTLS, type TLSSocket } from 'node:tls'
import anyTest, { type ExecutionContext } from 'ava'
import { sluice } from '../../../actors/index.ts'
import { Data, StreamEnd } from '../../../runtime/event.ts'
import { makeCertificates } from '../../runtime/net/support/certificates.ts'
import { freePorts } from '../../support/free-ports.ts'
import { Occurrences } from '../../support/occurrences.ts'
import { showEvent } from '../../support/pipeline-harness.ts'
import { runScript, transports } from '../../support/run-script.ts'
import { makeScript, startSluice } from '../../support/sluice.ts'
import { TcpClient } from '../../support/tcp-client.ts'

type Transport = keyof typeof transports
const certificates = makeCertificates()

const test = (title: string, run: (t: ExecutionContext, transport: Transport) => Promise<void>): void => {
  for (const transport of Object.keys(transports) as Transport[])
    anyTest(`${transport}: ${title}`, t => run(t, transport))
}

/** Deadlines let the process end: a test that waits for one keeps it up. */
const keepUp = setInterval(() => {}, 1000)
anyTest.after(() => clearInterval(keepUp))

test('what comes in goes through the pipeline and back out', async (t, transport) => {
  const { port } = await runScript(
    t,
    sluice()
      .listen('127.0.0.1:0')
      .replaceData(data => new Data(`<${data}>`)),
    transport,
  )
  const client = await TcpClient.connect(port)
  client.write('hello')
  await client.read(/<hello>/)
  client.end()
  t.is(await client.readToEnd(), '<hello>')
})

test('a listener takes IPv4 and IPv6 addresses, and a session knows both ends', async (t, transport) => {
  for (const [address, host] of [
    ['127.0.0.1:0', '127.0.0.1'],
    ['[::1]:0', '::1'],
    ['localhost:0', '127.0.0.1'],
    [0, '127.0.0.1'],
  ] as const) {
    const { port } = await runScript(
      t,
      sluice()
        .listen(address)
        .replaceData((_data, ctx) => {
          const { localAddress, localPort, remoteAddress, remotePort, id } = ctx.__inbound ?? {}
          return new Data(
            JSON.stringify({ localAddress, localPort, remoteAddress, remotePort, hasId: (id ?? 0) > 0 }),
          )
        }),
      transport,
    )
    const client = await TcpClient.connect(port, host)
    client.write('?')
    t.deepEqual(JSON.parse(await client.read(/\}$/)), {
      localAddress: host,
      localPort: port,
      remoteAddress: host,
      remotePort: client.socket.localPort,
      hasId: true,
    })
    client.destroy()
  }
})

test('the stream begins when the connection is accepted, before the client speaks', async (t, transport) => {
  const { port } = await runScript(
    t,
    sluice().listen('127.0.0.1:0').insert(new Data('220 ready\r\n')),
    transport,
  )
  const client = await TcpClient.connect(port)
  t.is(await client.read(/\n/), '220 ready\r\n')
  client.destroy()
})

test('each direction ends by itself: a client that has finished sending still gets its answer', async (t, transport) => {
  const { port } = await runScript(
    t,
    sluice({ text: '' })
      .listen('127.0.0.1:0')
      .handleData((data, ctx) => {
        ctx.text += data
      })
      .dummy()
      .replaceStreamEnd((end, ctx) => [new Data(`you said ${ctx.text}`), end]),
    transport,
  )
  const client = await TcpClient.connect(port)
  client.end('something')
  t.is(await client.readToEnd(), 'you said something')
  t.is(client.error, undefined)
})

test('an end of the stream put out first finishes our direction; what the client still sends is taken', async (t, transport) => {
  const seen = new Occurrences<string>()
  const { port } = await runScript(
    t,
    sluice()
      .listen('127.0.0.1:0')
      .handle(event => seen.add(showEvent(event)))
      .replaceData(data => (data.toString() === 'first' ? [new Data('bye'), new StreamEnd()] : undefined)),
    transport,
  )
  const client = await TcpClient.connect(port)
  client.write('first')
  t.is(await client.readToEnd(), 'bye')
  client.write('second')
  await seen.next(event => event === 'D:second')
  client.end()
  await seen.next(event => event === 'X')
  t.pass()
})

test('a session that fails closes its connection, and no other', async (t, transport) => {
  const { port, logs, host } = await runScript(
    t,
    sluice()
      .listen('127.0.0.1:0')
      .replaceData(data => {
        if (data.toString() === 'bad') throw new Error('a bug')
        return data
      }),
    transport,
  )
  const [good, bad] = await Promise.all([TcpClient.connect(port), TcpClient.connect(port)])
  bad?.write('bad')
  await bad?.readToEnd()
  good?.write('fine')
  await good?.read(/fine/)
  t.is(logs.length, 1)
  t.regex(logs[0]?.message ?? '', /a bug/)
  good?.destroy()
  bad?.destroy()
  while (host.status().sessions > 0) await new Promise(setImmediate)
})

test('a client that breaks off ends its stream with ConnectionReset', async (t, transport) => {
  const ends = new Occurrences<string>()
  const { port } = await runScript(
    t,
    sluice()
      .listen('127.0.0.1:0')
      .handleStreamEnd(end => ends.add(end.error)),
    transport,
  )
  const client = await TcpClient.connect(port)
  client.write('x')
  await client.read(/x/)
  client.socket.resetAndDestroy()
  t.is(await ends.next(), 'ConnectionReset')
})

for (const [option, code] of [
  ['readTimeout', 'ReadTimeout'],
  ['idleTimeout', 'IdleTimeout'],
] as const) {
  test(`${option} closes a silent connection with ${code}`, async (t, transport) => {
    const ends = new Occurrences<string>()
    const { port } = await runScript(
      t,
      sluice()
        .listen('127.0.0.1:0', { [option]: '1ms' })
        .handleStreamEnd(end => ends.add(end.error)),
      transport,
    )
    const client = await TcpClient.connect(port)
    await client.readToEnd()
    t.is(await ends.next(), code)
  })
}

test('writeTimeout closes a connection whose client has stopped reading', async (t, transport) => {
  const ends = new Occurrences<string>()
  const { port } = await runScript(
    t,
    sluice()
      .listen('127.0.0.1:0', { writeTimeout: '1ms' })
      .handleStreamEnd(end => ends.add(end.error))
      .insert(() => new Data(Buffer.alloc(64 * 1024 * 1024))),
    transport,
  )
  const client = await TcpClient.connect(port)
  client.socket.pause()
  t.is(await ends.next(), 'WriteTimeout')
  client.destroy()
})

test('an address that cannot be listened on is told, and nothing of the script is left running', async (t, transport) => {
  const port = await freePorts(1)
  const script = sluice().listen(`127.0.0.1:${port}`).dummy().listen('203.0.113.7:1').dummy()
  await t.throwsAsync(runScript(t, script, transport), { code: 'ListenFailed', message: /203\.0\.113\.7/ })
  await t.throwsAsync(TcpClient.connect(port), { code: 'ECONNREFUSED' })
})

anyTest('maxConnections: further connections wait, and are served when others leave', async t => {
  const script = makeScript(
    t,
    `import { sluice } from 'sluice'
     export default sluice().listen('127.0.0.1:0', { maxConnections: 2 }).replaceData(data => data)`,
  )
  const port = await startSluice(t, [script]).port()
  const clients = await Promise.all(Array.from({ length: 6 }, () => TcpClient.connect(port)))
  for (const [i, client] of clients.entries()) client.write(`n${i}`)
  const served = (): number[] => clients.flatMap((client, i) => (client.received === '' ? [] : [i]))
  const gone = new Set<number>()
  for (let round = 0; round < 6; round++) {
    const next = await Promise.race(
      clients.map(async (client, i) => {
        if (gone.has(i)) return new Promise<number>(() => {})
        await client.read(/n/)
        return i
      }),
    )
    t.true(served().filter(i => !gone.has(i)).length <= 2)
    gone.add(next)
    clients[next]?.destroy()
  }
  t.is(gone.size, 6)
})

const tlsClient = async (port: number, options: object = {}): Promise<TLSSocket> => {
  const socket = connectTLS({
    port,
    host: '127.0.0.1',
    ca: certificates.ca,
    servername: 'localhost',
    ...options,
  })
  await once(socket, 'secureConnect')
  return socket
}

test('TLS: bytes come decrypted, and the session knows what was agreed on', async (t, transport) => {
  const { port } = await runScript(
    t,
    sluice()
      .listen('127.0.0.1:0', { tls: { ...certificates.server, alpn: ['h2', 'http/1.1'] } })
      .replaceData((_data, ctx) => new Data(JSON.stringify(ctx.__inbound?.tls))),
    transport,
  )
  const socket = await tlsClient(port, { ALPNProtocols: ['http/1.1'] })
  socket.write('?')
  const [answer] = (await once(socket, 'data')) as [Buffer]
  t.like(JSON.parse(answer.toString()), { alpn: 'http/1.1', serverName: 'localhost' })
  socket.destroy()
})

test('TLS: sni chooses the certificate by name, at once or later', async (t, transport) => {
  const asked: string[] = []
  const { port } = await runScript(
    t,
    sluice()
      .listen('127.0.0.1:0', {
        tls: {
          ...certificates.server,
          sni: name => {
            asked.push(name)
            return name === 'other.test' ? Promise.resolve(certificates.other) : undefined
          },
        },
      })
      .replaceData(data => data),
    transport,
  )
  for (const [name, subject] of [
    ['other.test', 'other.test'],
    ['localhost', 'localhost'],
  ] as const) {
    const socket = await tlsClient(port, { servername: name })
    t.is(socket.getPeerCertificate().subject.CN, subject)
    socket.destroy()
  }
  t.deepEqual(asked, ['other.test', 'localhost'])
})

test('TLS: with ca a client without a certificate is refused, and one with it is let in', async (t, transport) => {
  const { port, host } = await runScript(
    t,
    sluice()
      .listen('127.0.0.1:0', { tls: { ...certificates.server, ca: certificates.ca } })
      .replaceData(data => data),
    transport,
  )
  const refused = connectTLS({ port, host: '127.0.0.1', ca: certificates.ca, servername: 'localhost' })
  refused.on('error', () => {})
  refused.write('x')
  await new Promise(resolve => refused.on('close', resolve))
  const socket = await tlsClient(port, certificates.client)
  socket.write('hello')
  t.is(String((await once(socket, 'data'))[0]), 'hello')
  t.is(host.status().sessions, 1)
  socket.destroy()
})

test('TLS: a certificate that cannot be used is told when it starts', async (t, transport) => {
  await t.throwsAsync(
    runScript(
      t,
      sluice()
        .listen('127.0.0.1:0', { tls: { cert: 'nonsense', key: 'nonsense' } })
        .dummy(),
      transport,
    ),
    { code: 'BadOption' },
  )
})
