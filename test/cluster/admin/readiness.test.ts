/** What `/healthz` and `/readyz` say in each phase of a process's life. */

import { rmSync, writeFileSync } from 'node:fs'
// One after the other: each starts processes of its own.
import test, { type ExecutionContext } from 'ava'
import { startNatsServer } from '../../support/nats-server.ts'
import { makeScript, type SluiceProcess, startSluice } from '../../support/sluice.ts'
import { fetchOnce, TcpClient } from '../../support/tcp-client.ts'

const adminOf = async (sluice: SluiceProcess): Promise<number> =>
  Number(/:(\d+)$/.exec((await sluice.line(/^Admin on/)).message)?.[1])

/** Asks until the answer fits; the test's own time limit bounds it. */
async function until(
  admin: number,
  path: string,
  fits: (answer: { status: number; body: string }) => boolean,
) {
  while (true) {
    const answer = await fetchOnce(admin, path)
    if (fits(answer)) return answer
    await new Promise(resolve => setImmediate(resolve))
  }
}

const isHealthy = async (t: ExecutionContext, admin: number): Promise<void> => {
  t.is((await fetchOnce(admin, '/healthz')).status, 200)
}

test.serial('while the script loads the process is healthy and not ready', async t => {
  const script = makeScript(
    t,
    `
    import { sluice, Message } from 'sluice'
    import { existsSync } from 'node:fs'
    while (!existsSync(new URL('./go', import.meta.url))) await new Promise(resolve => setTimeout(resolve, 10))
    export default sluice().listen('127.0.0.1:0').serveHTTP(() => new Message('hi'))`,
  )
  const sluice = startSluice(t, [script, '--admin-port=0'])
  const admin = await adminOf(sluice)
  await isHealthy(t, admin)
  const answer = await fetchOnce(admin, '/readyz')
  t.is(answer.status, 503)
  t.is(answer.body, 'not ready: starting\n')
})

test.serial('while it drains it is healthy and not ready', async t => {
  const script = makeScript(
    t,
    `
    import { sluice, Message } from 'sluice'
    export default sluice().listen('127.0.0.1:0').serveHTTP(() => new Promise(() => {}))`,
  )
  const sluice = startSluice(t, [script, '--admin-port=0', '--drain-timeout=30'])
  const admin = await adminOf(sluice)
  const client = await TcpClient.connect(await sluice.port())
  client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  await until(admin, '/api/v1/status', ({ body }) => JSON.parse(body).threads[0]?.sessions === 1)
  t.is((await fetchOnce(admin, '/readyz')).status, 200)
  sluice.signal('SIGTERM')
  await sluice.line(/Draining/)
  await isHealthy(t, admin)
  t.is((await fetchOnce(admin, '/readyz')).body, 'not ready: draining\n')
  client.destroy()
})

test.serial('when its only thread hangs in the script it is not ready', async t => {
  const script = makeScript(
    t,
    `
    import { sluice, Message } from 'sluice'
    export default sluice().listen('127.0.0.1:0').serveHTTP(request => {
      if (request.head.path === '/hang') while (true) {}
      return new Message('hi')
    })`,
  )
  const sluice = startSluice(t, [script, '--admin-port=0'])
  const admin = await adminOf(sluice)
  const client = await TcpClient.connect(await sluice.port())
  t.is((await fetchOnce(admin, '/readyz')).body, 'ready\n')
  client.write('GET /hang HTTP/1.1\r\nHost: x\r\n\r\n')
  const answer = await until(admin, '/readyz', ({ status }) => status === 503)
  t.is(answer.body, 'not ready: no thread answers\n')
  await isHealthy(t, admin)
  client.destroy()
})

test.serial('when its only thread has died it is not ready until another serves', async t => {
  const script = makeScript(
    t,
    `
    import { sluice, Message } from 'sluice'
    import { existsSync } from 'node:fs'
    while (existsSync(new URL('./held', import.meta.url))) await new Promise(resolve => setTimeout(resolve, 10))
    export default sluice().listen('127.0.0.1:0').serveHTTP(request => {
      if (request.head.path === '/die') process.exit(1)
      return new Message('hi')
    })`,
  )
  const sluice = startSluice(t, [script, '--admin-port=0'])
  const admin = await adminOf(sluice)
  const client = await TcpClient.connect(await sluice.port())
  // Its replacement waits, so that whoever looks late sees the time between, too.
  const held = script.replace(/main\.ts$/, 'held')
  writeFileSync(held, '')
  client.write('GET /die HTTP/1.1\r\nHost: x\r\n\r\n')
  t.regex(
    (await until(admin, '/readyz', ({ status }) => status === 503)).body,
    /^not ready: no thread (serves|answers)/,
  )
  await isHealthy(t, admin)
  rmSync(held)
  t.is((await until(admin, '/readyz', ({ status }) => status === 200)).body, 'ready\n')
  client.destroy()
})

test.serial('without its NATS a node serves on, is ready, and says what is missing', async t => {
  const nats = await startNatsServer(t)
  const script = makeScript(
    t,
    `
    import { sluice, Message } from 'sluice'
    export default sluice().listen('127.0.0.1:0').serveHTTP(() => new Message('hi'))`,
  )
  const sluice = startSluice(t, [script, '--admin-port=0', `--nats=${nats.url}`, '--node=a'])
  const admin = await adminOf(sluice)
  const port = await sluice.port()
  await until(admin, '/readyz', ({ body }) => body === 'ready\n')
  await nats.kill()
  const answer = await until(admin, '/readyz', ({ body }) => body !== 'ready\n')
  t.is(answer.status, 200)
  t.regex(answer.body, /^ready\nwithout NATS/)
  t.is((await fetchOnce(port)).body, 'hi')
})
