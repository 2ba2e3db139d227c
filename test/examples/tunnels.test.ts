/** The examples of streams inside of streams, and of UDP, do what their headers say, run as a user runs them. */

import { execFile, execFileSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { promisify } from 'node:util'
import ava from 'ava'
import { freePorts } from '../support/free-ports.ts'
import { makeFolder } from '../support/sluice.ts'
import { startExample, startService } from './support.ts'

// A process each: one after the other.
const test = ava.serial

const curl = async (...args: string[]): Promise<string> =>
  (await promisify(execFile)('curl', ['-s', '--max-time', '20', ...args])).stdout

test('tls-in-pipeline serves HTTP and HTTPS on one port, with the certificate of the name asked for', async t => {
  const folder = makeFolder(t)
  for (const name of ['localhost', 'other.test'])
    execFileSync(
      'openssl',
      [
        ...[
          'req',
          '-x509',
          '-newkey',
          'ec',
          '-pkeyopt',
          'ec_paramgen_curve:prime256v1',
          '-nodes',
          '-days',
          '2',
        ],
        ...['-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${name}`],
        ...['-keyout', `${folder}/${name}.key`, '-out', `${folder}/${name}.crt`],
      ],
      { stdio: 'ignore' },
    )
  const service = await startService(t, 'web')
  const { port } = await startExample(t, 'tls-in-pipeline.ts', { TARGET: service.address, CERTS: folder })
  for (const name of ['localhost', 'other.test']) {
    const resolve = ['--resolve', `${name}:${port}:127.0.0.1`, '--cacert', `${folder}/${name}.crt`]
    t.is(await curl(...resolve, `https://${name}:${port}/secret`), 'web /secret')
    t.is((await service.requests.next()).headers['x-forwarded-proto'], 'https')
  }
  t.is(await curl(`http://127.0.0.1:${port}/plain`), 'web /plain')
  t.is((await service.requests.next()).headers['x-forwarded-proto'], 'http')
  await t.throwsAsync(curl('-k', '--resolve', `no.test:${port}:127.0.0.1`, `https://no.test:${port}/`))
})

test('socks-and-tunnels lets SOCKS and CONNECT through to the ports that it allows', async t => {
  const service = await startService(t, 'web')
  const port = Number(service.address.split(':')[1])
  const proxy = await startExample(t, 'socks-and-tunnels.ts', { PORTS: String(port) })
  const url = `http://${service.address}/x`
  for (const scheme of ['socks4', 'socks5h'])
    t.is(await curl('-x', `${scheme}://127.0.0.1:${proxy.port}`, url), 'web /x')
  t.is(await curl('-p', '-x', `http://127.0.0.1:${proxy.port}`, url), 'web /x')
  await t.throwsAsync(curl('-x', `socks5h://127.0.0.1:${proxy.port}`, 'http://127.0.0.1:1/'))
  await t.throwsAsync(curl('-p', '-x', `http://127.0.0.1:${proxy.port}`, 'http://127.0.0.1:1/'))
})

test('proxy-protocol tells the service who the client is', async t => {
  const port = await freePorts(2)
  await startExample(t, 'proxy-protocol.ts', { PORT: String(port) })
  const local = await freePorts(1)
  t.is(await curl('--local-port', String(local), `http://127.0.0.1:${port}/`), `You are 127.0.0.1:${local}\n`)
})

test('udp-echo answers each peer with a count of its own', async t => {
  const { port } = await startExample(t, 'udp-echo.ts', {}, ['--threads=1'])
  for (const _ of [1, 2]) {
    const socket = createSocket('udp4')
    t.teardown(() => socket.close())
    socket.connect(port, '127.0.0.1')
    await once(socket, 'connect')
    for (const expected of ['1: hi', '2: hi']) {
      socket.send('hi')
      const [answer] = await once(socket, 'message')
      t.is(String(answer), expected)
    }
  }
})
