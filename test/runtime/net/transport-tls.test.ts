/** What TLS adds to the contract, over both transports. */

import { once } from 'node:events'
import { connect as connectPlain, createServer } from 'node:net'
import type { ExecutionContext } from 'ava'
import { TrafficError } from '../../../runtime/errors.ts'
import { handshakeFailures } from '../../../runtime/net/tls.ts'
import type { ConnectOptions, TLSServerOptions } from '../../../runtime/net/transport.ts'
import { connect, listenOptions, type Peer, Server, type Variant } from './support/peers.ts'
import { certificates, contract, echo, tlsVariants } from './support/variants.ts'

const { ca, server: identity, other, client: clientIdentity, stranger } = certificates

/** A server that echoes, with these options. */
async function serve(t: ExecutionContext, variant: Variant, tls: TLSServerOptions): Promise<Server> {
  const server = await Server.listen(t, { ...variant, listenTLS: tls })
  server.whenAccepted = echo
  return server
}

const dial = (
  t: ExecutionContext,
  variant: Variant,
  server: Server,
  tls: Partial<NonNullable<ConnectOptions['tls']>>,
): Peer => connect(t, { ...variant, connectTLS: { ca, servername: 'localhost', ...tls } }, server.port)

/** Proves that a connection carries bytes both ways. */
async function exchange(t: ExecutionContext, peer: Peer): Promise<void> {
  peer.connection.writeLatin1('hello')
  await peer.untilReceived(5)
  t.is(peer.text, 'hello')
}

contract(tlsVariants, 'both ends know what was agreed on', async (t, variant) => {
  const server = await serve(t, variant, { ...identity, alpn: ['h2', 'http/1.1'] })
  const client = dial(t, variant, server, { alpn: ['http/1.1'] })
  await exchange(t, client)
  t.deepEqual(client.connection.tls, { alpn: 'http/1.1', serverName: 'localhost', protocol: 'TLSv1.3' })
  t.deepEqual(server.peers[0]?.connection.tls, client.connection.tls)
})

contract(tlsVariants, 'the server’s order of protocols counts', async (t, variant) => {
  const server = await serve(t, variant, { ...identity, alpn: ['h2', 'http/1.1'] })
  const client = dial(t, variant, server, { alpn: ['http/1.1', 'h2'] })
  await exchange(t, client)
  t.is(client.connection.tls?.alpn, 'h2')
})

contract(tlsVariants, 'without ALPN on one side none is agreed on', async (t, variant) => {
  const server = await serve(t, variant, { ...identity, alpn: ['h2'] })
  const client = dial(t, variant, server, {})
  await exchange(t, client)
  t.is(client.connection.tls?.alpn, undefined)
})

contract(tlsVariants, 'no protocol in common ends the handshake', async (t, variant) => {
  const server = await serve(t, variant, { ...identity, alpn: ['h2'] })
  const client = dial(t, variant, server, { alpn: ['http/1.1'] })
  await client.untilTold('closed')
  t.is(client.error?.code, 'TLSError')
  t.regex(client.error?.message ?? '', /no application protocol/)
  t.is(server.peers.length, 0)
})

for (const [how, answer] of [
  ['at once', () => other],
  ['later', async () => other],
] as const) {
  contract(tlsVariants, `sni chooses a certificate ${how}`, async (t, variant) => {
    const asked: string[] = []
    const server = await serve(t, variant, {
      ...identity,
      sni: name => {
        asked.push(name)
        return answer()
      },
    })
    const client = dial(t, variant, server, { servername: 'other.test' })
    await exchange(t, client)
    t.deepEqual(asked, ['other.test'])
    t.is(server.peers[0]?.connection.tls?.serverName, 'other.test')
  })
}

contract(tlsVariants, 'sni that chooses nothing leaves the default certificate', async (t, variant) => {
  const server = await serve(t, variant, { ...identity, sni: () => undefined })
  await exchange(t, dial(t, variant, server, {}))
})

contract(tlsVariants, 'sni that fails ends that handshake alone', async (t, variant) => {
  const server = await serve(t, variant, {
    ...identity,
    sni: name => {
      if (name === 'other.test') throw new Error('no such tenant')
      return undefined
    },
  })
  const failed = dial(t, variant, server, { servername: 'other.test' })
  await failed.untilTold('closed')
  t.truthy(failed.error)
  await exchange(t, dial(t, variant, server, {}))
})

contract(tlsVariants, 'the sni option is the name asked for and checked', async (t, variant) => {
  const server = await serve(t, variant, other)
  const client = dial(t, variant, server, { sni: 'other.test' })
  await exchange(t, client)
  t.is(client.connection.tls?.serverName, 'other.test')
})

contract(tlsVariants, 'an address is checked like a name, and not asked for', async (t, variant) => {
  const server = await serve(t, variant, identity)
  await exchange(t, dial(t, variant, server, { servername: '127.0.0.1' }))
  t.is(server.peers[0]?.connection.tls?.serverName, undefined)
})

const refused: readonly [string, TLSServerOptions, Partial<NonNullable<ConnectOptions['tls']>>, RegExp][] = [
  ['signed by nobody known', stranger, {}, /self-signed certificate/],
  ['of an unknown authority', identity, { ca: stranger.cert }, /unable to .* certificate|self-signed/],
  ['for another name', other, {}, /localhost. is not in the cert's altnames: DNS:other\.test/],
]
for (const [which, server, client, words] of refused) {
  contract(tlsVariants, `a certificate ${which} is refused in words`, async (t, variant) => {
    const peer = dial(t, variant, await serve(t, variant, server), client)
    await peer.untilTold('closed')
    t.deepEqual(peer.told, ['closed'])
    t.is(peer.error?.code, 'TLSError')
    t.regex(peer.error?.message ?? '', words)
    t.regex(peer.error?.message ?? '', /127\.0\.0\.1:\d+/)
  })
}

contract(tlsVariants, 'any certificate will do when it is not to be verified', async (t, variant) => {
  const server = await serve(t, variant, stranger)
  await exchange(t, dial(t, variant, server, { verify: false }))
})

contract(tlsVariants, 'with ca, a client with a valid certificate is served', async (t, variant) => {
  const server = await serve(t, variant, { ...identity, ca })
  await exchange(t, dial(t, variant, server, clientIdentity))
})

contract(tlsVariants, 'with ca, sni’s certificates are guarded the same', async (t, variant) => {
  const server = await serve(t, variant, { ...identity, ca, sni: () => other })
  await exchange(t, dial(t, variant, server, { servername: 'other.test', ...clientIdentity }))
  const client = dial(t, variant, server, { servername: 'other.test' })
  await client.untilTold('closed')
  t.is(client.connection.receivedBytes, 0)
})

for (const [which, own] of [
  ['without a certificate', {}],
  ['with one of a stranger', stranger],
] as const) {
  contract(tlsVariants, `with ca, a client ${which} is refused`, async (t, variant) => {
    const server = await serve(t, variant, { ...identity, ca })
    const client = dial(t, variant, server, own)
    // In TLS 1.3 a client is done before the server has looked at its certificate.
    await client.until(() => client.told.includes('ended') || client.told.includes('closed'))
    t.is(client.connection.receivedBytes, 0)
    t.is(server.peers.length, 0)
  })
}

contract(
  tlsVariants,
  'a certificate that cannot be read is refused before anything listens',
  async (t, variant) => {
    const tls = { cert: 'not a certificate', key: 'nor a key' }
    const error = await t.throwsAsync(
      variant.transport.listen({ ...listenOptions(variant), tls }, () => {}),
      {
        instanceOf: TrafficError,
      },
    )
    t.is(error?.code, 'BadOption')
    const server = await serve(t, variant, identity)
    const client = dial(t, variant, server, tls)
    t.deepEqual(client.told, [])
    await client.untilTold('closed')
    t.is(client.error?.code, 'BadOption')
  },
)

contract(tlsVariants, 'the time to connect includes the handshake', async (t, variant) => {
  const silent = createServer().listen(0, '127.0.0.1')
  t.teardown(() => silent.close())
  await once(silent, 'listening')
  const { port } = silent.address() as { port: number }
  const client = connect(t, variant, port, { connectTimeoutMs: 50 })
  await client.untilTold('closed')
  t.is(client.error?.code, 'ConnectionTimeout')
})

contract(
  tlsVariants,
  'a peer that closes instead of shaking hands has reset the connection',
  async (t, variant) => {
    const rude = createServer(socket => socket.end()).listen(0, '127.0.0.1')
    t.teardown(() => rude.close())
    await once(rude, 'listening')
    const { port } = rude.address() as { port: number }
    const client = connect(t, variant, port)
    await client.untilTold('closed')
    t.is(client.error?.code, 'ConnectionReset')
    t.regex(client.error?.message ?? '', /closed the connection during the TLS handshake/)
  },
)

contract(tlsVariants, 'a client that does not begin its handshake is closed', async (t, variant) => {
  const server = await Server.listen(t, variant, { handshakeTimeoutMs: 50 })
  const silent = connectPlain(server.port, '127.0.0.1')
  await once(silent, 'close')
  t.is(server.peers.length, 0)
})

contract(tlsVariants, 'a client that does not speak TLS is closed, and told of', async (t, variant) => {
  const server = await serve(t, variant, identity)
  const plain = connectPlain(server.port, '127.0.0.1')
  await once(plain, 'connect')
  const told = new Promise<{ error: TrafficError }>(resolve => {
    const { port } = plain.address() as { port: number }
    const listen = (message: unknown): void => {
      const failure = message as { remote: string; error: TrafficError }
      if (failure.remote === `127.0.0.1:${port}`) resolve(failure)
    }
    handshakeFailures.subscribe(listen)
    t.teardown(() => handshakeFailures.unsubscribe(listen))
  })
  plain.on('error', () => {})
  plain.write('GET / HTTP/1.1\r\n\r\n')
  await once(plain, 'close')
  const { error } = await told
  t.is(error.code, 'TLSError')
  t.regex(error.message, /http request|wrong version number/)
  await exchange(t, dial(t, variant, server, {}))
})
