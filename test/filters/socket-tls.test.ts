/** The option `tls` of listen and connect: certificates and keys in every form that a script has them in. */

import { createPrivateKey, X509Certificate } from 'node:crypto'
import test from 'ava'
import { crypto, Data, sluice } from '../../actors/index.ts'
import { runScript } from '../support/run-script.ts'
import { certificates, dial, nodeServer } from '../support/tls-peers.ts'

const { ca, client, other, server } = certificates

const forms = {
  'PEM text': server,
  bytes: { cert: Buffer.from(server.cert), key: new Uint8Array(Buffer.from(server.key)) },
  'Data, as pipy.load gives it': { cert: new Data(server.cert), key: new Data(server.key) },
  'objects of crypto': { cert: new crypto.Certificate(server.cert), key: new crypto.PrivateKey(server.key) },
  'a chain': {
    cert: new crypto.CertificateChain(server.cert + ca),
    key: new crypto.PrivateKey(server.key),
  },
  'an array': { cert: [new crypto.Certificate(server.cert), ca], key: server.key },
  "objects of Node's crypto": { cert: new X509Certificate(server.cert), key: createPrivateKey(server.key) },
}

for (const [name, tls] of Object.entries(forms))
  test(`a listener takes its certificate as ${name}`, async t => {
    const running = await runScript(t, sluice().listen('127.0.0.1:0', { tls }))
    const peer = await dial(t, running)
    peer.write('hi')
    t.is(await peer.read(/hi/), 'hi')
  })

test('sni gives certificates in these forms as well, now or later', async t => {
  const named = { cert: new crypto.Certificate(other.cert), key: new crypto.PrivateKey(other.key) }
  for (const sni of [() => named, async () => named]) {
    const running = await runScript(t, sluice().listen('127.0.0.1:0', { tls: { ...server, sni } }))
    const peer = await dial(t, running, { servername: 'other.test' })
    t.is(peer.socket.getPeerCertificate().subject.CN, 'other.test')
  }
})

test('connect proves itself with objects of crypto, and checks with them', async t => {
  const port = await nodeServer(t, { requestCert: true, rejectUnauthorized: true, ca })
  const tls = {
    ca: new crypto.CertificateChain(ca),
    cert: new crypto.Certificate(client.cert),
    key: new crypto.PrivateKey(client.key),
    sni: 'localhost',
  }
  const { promise, resolve } = Promise.withResolvers<string>()
  await runScript(
    t,
    sluice()
      .pipeline('ask')
      .connect(`127.0.0.1:${port}`, { tls })
      .handleData(data => {
        if (data.size > 0) resolve(data.toString())
      })
      .task()
      .onStart(() => new Data('hello'))
      .pipe('ask'),
  )
  t.is(await promise, '<hello>')
})

test('what cannot be used for TLS is told when the script is loaded', async t => {
  const load = (tls: unknown) => runScript(t, sluice().listen('127.0.0.1:0', { tls: tls as object }))
  await t.throwsAsync(load({ cert: 7, key: server.key }), {
    message: /option 'cert' of tls of listen wants PEM .* got 7/,
  })
  await t.throwsAsync(load({ ...server, certt: 1 }), { message: /no option 'certt'; did you mean 'cert'/ })
  await t.throwsAsync(load({ cert: server.cert, key: other.key }), { message: /cannot be used/ })
  const connect = (tls: unknown) =>
    runScript(
      t,
      sluice()
        .pipeline('a')
        .connect('127.0.0.1:1', { tls: tls as object }),
    )
  await t.throwsAsync(connect({ verify: 1 }), {
    message: /option 'verify' of tls of connect wants true or false/,
  })
  await t.throwsAsync(connect({ ca: 'nothing' }), {
    message: /ca wants certificates in PEM, and there is none/,
  })
})
