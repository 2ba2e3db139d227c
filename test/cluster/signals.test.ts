/** A process is told to stop, or to take a new script, while it serves. */

import { writeFileSync } from 'node:fs'
// One after the other: each starts processes of its own, and some measure how fast they are.
import test from 'ava'
import { makeScript, type SluiceProcess, startSluice } from '../support/sluice.ts'
import { fetchOnce, TcpClient } from '../support/tcp-client.ts'

/** Answers with its text; `/held` only when the file `release` is there. */
const answering = (text: string): string => `
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { sluice, Message } from 'sluice'
const release = join(dirname(fileURLToPath(import.meta.url)), 'release')
const released = async (): Promise<void> => {
  while (!existsSync(release)) await new Promise(resolve => setTimeout(resolve, 10))
}
export default sluice()
  .listen('127.0.0.1:0')
  .serveHTTP(async msg => {
    if (msg.head.path === '/held') {
      process.stderr.write('holding\\n')
      await released()
    }
    return new Message(${JSON.stringify(text)})
  })
`

const releaseHeld = (script: string): void => writeFileSync(script.replace(/main\.ts$/, 'release'), '')

/** Sends a request that is not answered before \`releaseHeld\`. */
async function hold(sluice: SluiceProcess, port: number): Promise<TcpClient> {
  const client = await TcpClient.connect(port)
  client.write('GET /held HTTP/1.1\r\nHost: x\r\n\r\n')
  await sluice.line(/holding/)
  return client
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test.serial(
    `${signal} lets a request under way finish, refuses new connections, and exits with 0`,
    async t => {
      const script = makeScript(t, answering('done'))
      const sluice = startSluice(t, [script, '--threads=2', '--log-level=debug'])
      const port = await sluice.port()
      const client = await hold(sluice, port)
      sluice.signal(signal)
      await sluice.line(/Draining/)
      await untilRefused(port)
      releaseHeld(script)
      t.regex(await client.readToEnd(), /^HTTP\/1\.1 200[\s\S]*done$/)
      client.destroy()
      t.deepEqual(await sluice.exited, { code: 0, signal: null })
    },
  )
}

/** Connects until it is refused: threads stop accepting one after the other. */
async function untilRefused(port: number): Promise<void> {
  for (;;) {
    try {
      const client = await TcpClient.connect(port)
      client.destroy()
    } catch {
      return
    }
  }
}

test.serial('what is not done at the drain time-out is cut, counted, and shows in the exit code', async t => {
  const sluice = startSluice(t, [makeScript(t, answering('late')), '--drain-timeout=0.2'])
  const port = await sluice.port()
  const client = await hold(sluice, port)
  sluice.signal('SIGTERM')
  t.regex((await sluice.line(/DrainTimeout/)).message, /1 session was cut/)
  t.is((await sluice.exited).code, 1)
  t.is(await client.readToEnd(), '')
})

for (const [signal, code] of [
  ['SIGTERM', 143],
  ['SIGINT', 130],
] as const) {
  test.serial(`a second ${signal} exits at once`, async t => {
    const sluice = startSluice(t, [makeScript(t, answering('never'))])
    await hold(sluice, await sluice.port())
    sluice.signal(signal)
    await sluice.line(/Draining/)
    sluice.signal(signal)
    t.deepEqual(await sluice.exited, { code, signal: null })
  })
}

test.serial('SIGTERM while it starts ends it without a complaint', async t => {
  const sluice = startSluice(t, [
    makeScript(
      t,
      `process.stderr.write('loading\\n')\nawait new Promise(() => setTimeout(() => {}, 60_000))\n${answering('')}`,
    ),
  ])
  await sluice.line(/loading/)
  sluice.signal('SIGTERM')
  t.is((await sluice.exited).code, 0)
})

test.serial('SIGHUP under load: the new script answers, nothing is refused, nothing is cut', async t => {
  const script = makeScript(t, answering('old'))
  const sluice = startSluice(t, [script, '--threads=2'])
  const port = await sluice.port()
  const held = await hold(sluice, port)
  let isOver = false
  const bodies: string[] = []
  const client = async (): Promise<void> => {
    while (!isOver) bodies.push((await fetchOnce(port)).body)
  }
  const load = Promise.all([client(), client(), client(), client()])
  for (const text of ['one', 'two', 'three']) {
    writeFileSync(script, answering(text))
    sluice.signal('SIGHUP')
    await sluice.line(/^Reloaded/)
    t.is((await fetchOnce(port)).body, text)
    // The clients may not have come to it yet.
    while (!bodies.includes(text)) await new Promise(resolve => setImmediate(resolve))
  }
  isOver = true
  await load
  t.true(bodies.every(body => ['old', 'one', 'two', 'three'].includes(body)))
  releaseHeld(script)
  held.write('')
  t.regex(await held.read(/old$/), /200 OK/, 'a request of the first script is answered by it')
  t.is(bodies.lastIndexOf('old') < bodies.indexOf('two'), true)
})

test.serial('a script that fails to load leaves the old one running, in every thread', async t => {
  const script = makeScript(t, answering('old'))
  const sluice = startSluice(t, [script, '--threads=2'])
  const port = await sluice.port()
  writeFileSync(script, `${answering('new')}\nundefinedName()\n`)
  sluice.signal('SIGHUP')
  const { message } = await sluice.line(/ReloadFailed/)
  t.regex(message, /undefinedName is not defined/)
  t.true(message.includes(`${script}:`), message)
  const bodies = await Promise.all(Array.from({ length: 20 }, () => fetchOnce(port)))
  t.true(bodies.every(({ body }) => body === 'old'))
  writeFileSync(script, answering('new'))
  sluice.signal('SIGHUP')
  await sluice.line(/^Reloaded/)
  t.is((await fetchOnce(port)).body, 'new')
})

test.serial('the admin port answers from the main thread: healthy, ready, metrics, status', async t => {
  const script = makeScript(t, answering('hi'))
  const sluice = startSluice(t, [script, '--threads=2', '--admin-port=0'])
  const admin = Number(/:(\d+)$/.exec((await sluice.line(/^Admin on/)).message)?.[1])
  const port = await sluice.port()
  t.is((await fetchOnce(admin, '/healthz')).status, 200)
  t.is((await fetchOnce(admin, '/readyz')).status, 200)
  const held = await hold(sluice, port)
  const metrics = (await fetchOnce(admin, '/metrics')).body
  t.regex(metrics, /^# TYPE sluice_sessions gauge$/m)
  t.regex(metrics, /^sluice_sessions 1$/m)
  t.regex(metrics, /^sluice_thread_restarts_total 0$/m)
  t.regex(metrics, /^sluice_event_loop_delay_seconds\{thread="0",quantile="0.99"\} /m)
  const status = JSON.parse((await fetchOnce(admin, '/api/v1/status')).body)
  t.is(status.stage, 'serving')
  t.is(status.threads.length, 2)
  t.is((await fetchOnce(admin, '/nothing')).status, 404)
  sluice.signal('SIGTERM')
  await sluice.line(/Draining/)
  t.is((await fetchOnce(admin, '/readyz')).status, 503)
  releaseHeld(script)
  await held.readToEnd()
  held.destroy()
  t.is((await sluice.exited).code, 0)
})
