import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { nkeys } from '@nats-io/transport-node'
import test from 'ava'
import { connectNats } from '../../../cluster/bus/nats-bus.ts'
import { natsSettings } from '../../../cluster/bus/nats-settings.ts'
import { noLog } from '../../../runtime/log.ts'
import { makeCertificates } from '../../runtime/net/support/certificates.ts'
import { startNatsServer } from '../../support/nats-server.ts'

test('an address is a host, with a port, a scheme and a user if wanted', t => {
  t.deepEqual(natsSettings('nats://127.0.0.1:4222'), { servers: ['127.0.0.1:4222'], isSecure: false })
  t.deepEqual(natsSettings('one, two:4333'), { servers: ['one:4222', 'two:4333'], isSecure: false })
  t.deepEqual(natsSettings('tls://[::1]:4222'), { servers: ['[::1]:4222'], isSecure: true })
  t.deepEqual(natsSettings('nats://ana:a%40b@one,nats://two'), {
    servers: ['one:4222', 'two:4222'],
    isSecure: false,
    user: 'ana',
    password: 'a@b',
  })
  t.deepEqual(natsSettings('nats://s3cret@one'), { servers: ['one:4222'], isSecure: false, token: 's3cret' })
})

test('secrets and files come from the environment', t => {
  const settings = natsSettings('one', {
    SLUICE_NATS_USER: 'ana',
    SLUICE_NATS_PASSWORD: 'secret',
    SLUICE_NATS_CREDS: '/creds',
    SLUICE_NATS_CA: '/ca.pem',
    SLUICE_NATS_TOKEN: '',
    HOME: '/root',
  })
  t.deepEqual(settings, {
    servers: ['one:4222'],
    isSecure: false,
    user: 'ana',
    password: 'secret',
    credsFile: '/creds',
    caFile: '/ca.pem',
  })
})

test('what is no address is told with the reason, and without the secret', t => {
  for (const [text, reason] of [
    ['', 'no address'],
    ['http://one', 'begins with http://'],
    ['nats://one/path', 'more than a host and a port'],
    ['nats://:4222', 'no URL'],
    ['nats://one:notaport', 'no URL'],
    ['nats://ana:secret%zz@one', '%XX'],
    ['nats://secret%4@one', '%XX'],
    ['nats://ana:secret@one,nats://bob:secret@two', 'different users'],
  ] as const) {
    const error = t.throws(() => natsSettings(text), { code: 'BadOption' })
    t.true(error?.message.includes(reason), `${text}: ${error?.message}`)
    t.false(error?.message.includes('secret'))
  }
})

const open = async (url: string, more: Record<string, string> = {}): Promise<boolean> => {
  const settings = natsSettings(url, more)
  const bus = await connectNats({ settings, name: 'test', log: noLog, connectTimeoutMs: 2_000 })
  const { isConnected } = bus
  await bus.close()
  return isConnected
}

test('a file that cannot be read is named', async t => {
  for (const variable of ['SLUICE_NATS_CREDS', 'SLUICE_NATS_NKEY', 'SLUICE_NATS_CA'])
    await t.throwsAsync(open('one', { [variable]: '/not/there' }), {
      code: 'BadOption',
      message: /'\/not\/there', named for NATS, cannot be read: ENOENT/,
    })
})

test('a file that holds no secret is named', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-nkey-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'not-a-seed')
  writeFileSync(file, 'hello\n')
  const { url } = await startNatsServer(t, { config: 'authorization { token: "x" }' })
  for (const variable of ['SLUICE_NATS_CREDS', 'SLUICE_NATS_NKEY'])
    await t.throwsAsync(open(url, { [variable]: file }), {
      code: 'BadOption',
      message: new RegExp(`'${file}', named for NATS, holds no`),
    })
})

test('credentials open the door', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-creds-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const [operator, account, user] = [nkeys.createOperator(), nkeys.createAccount(), nkeys.createUser()]
  const system = nkeys.createAccount()
  const config = `operator: ${jwt(operator, operator, 'operator')}
    resolver: MEMORY
    system_account: ${system.getPublicKey()}
    resolver_preload: {
      ${account.getPublicKey()}: ${jwt(operator, account, 'account')}
      ${system.getPublicKey()}: ${jwt(operator, system, 'account')}
    }`
  const file = join(folder, 'user.creds')
  const seed = Buffer.from(user.getSeed()).toString()
  writeFileSync(
    file,
    `-----BEGIN NATS USER JWT-----\n${jwt(account, user, 'user')}\n------END NATS USER JWT------\n
-----BEGIN USER NKEY SEED-----\n${seed}\n------END USER NKEY SEED------\n`,
  )
  const server = await startNatsServer(t, { config })
  t.true(await open(server.url, { SLUICE_NATS_CREDS: file }))
  await t.throwsAsync(open(server.url), { code: 'ClusterError' })
})

const claims = {
  operator: {},
  account: {
    limits: { conn: -1, subs: -1, data: -1, payload: -1, imports: -1, exports: -1, wildcards: true },
  },
  user: { subs: -1, data: -1, payload: -1 },
} as const

type Key = ReturnType<typeof nkeys.createUser>

/** What one key says of another, as NATS's servers read it: so operators let accounts in, and those their users. */
function jwt(by: Key, of: Key, type: keyof typeof claims): string {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const said = {
    ...{ jti: type, iat: 1, iss: by.getPublicKey(), sub: of.getPublicKey(), name: type },
    nats: { ...claims[type], type, version: 2 },
  }
  const text = `${part({ typ: 'JWT', alg: 'ed25519-nkey' })}.${part(said)}`
  return `${text}.${Buffer.from(by.sign(Buffer.from(text))).toString('base64url')}`
}

test('an nkey opens the door', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-nkey-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const key = nkeys.createUser()
  const file = join(folder, 'seed')
  writeFileSync(file, `${Buffer.from(key.getSeed()).toString()}\n`)
  const config = `authorization { users: [{ nkey: ${key.getPublicKey()} }] }`
  const server = await startNatsServer(t, { config })
  t.true(await open(server.url, { SLUICE_NATS_NKEY: file }))
  await t.throwsAsync(open(server.url), { code: 'ClusterError' })
})

test('with TLS the server is known by its certificate, and we by ours', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-tls-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const { ca, server: own, client } = makeCertificates()
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text)
    return join(folder, name)
  }
  const caFile = file('ca.pem', ca)
  const config = `tls { cert_file: "${file('server.pem', own.cert)}", key_file: "${file('server.key', own.key)}",
                        ca_file: "${caFile}", verify: true }`
  const { port } = await startNatsServer(t, { config })
  const ours = {
    SLUICE_NATS_CA: caFile,
    SLUICE_NATS_CERT: file('client.pem', client.cert),
    SLUICE_NATS_KEY: file('client.key', client.key),
  }
  t.true(await open(`tls://localhost:${port}`, ours))
  await t.throwsAsync(open(`tls://localhost:${port}`), { code: 'ClusterError' })
  await t.throwsAsync(open(`tls://localhost:${port}`, { SLUICE_NATS_CA: caFile }), {
    code: 'ClusterError',
    message: /no answer within 2 s.*certificate/,
  })
  const plain = await startNatsServer(t)
  await t.throwsAsync(
    open(`tls://127.0.0.1:${plain.port}`),
    { code: 'ClusterError' },
    'no TLS, no connection',
  )
})
