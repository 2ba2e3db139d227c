/** Sinks in a process of their own: it drains, reloads, tells of them, and is killed. */

import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ava, { type ExecutionContext } from 'ava'
import type { StrictElasticsearch } from '../support/elasticsearch/index.ts'
import { startElasticsearch } from '../support/elasticsearch.ts'
import { Occurrences } from '../support/occurrences.ts'
import { makeFolder, makeScript, type SluiceProcess, startSluice } from '../support/sluice.ts'

const test = ava.serial
const dataStream = 'logs-traffic-default'

/** Answers each request and logs it under an id that the request gives. */
const logging = (sink: string): string => `
import { Message, sluice } from 'sluice'
export default sluice()
  .listen('127.0.0.1:0')
  .demuxHTTP().to($ => $
    .fork().to($ => $
      .replaceMessage(msg => new Message({ id: msg.head.headers['x-id'] }, JSON.stringify({
        '@timestamp': new Date().toISOString(), path: msg.head.path, event: { id: msg.head.headers['x-id'] },
      })))
      .sink(${sink}))
    .replaceMessage(new Message({ status: 200 }, 'ok')))
`

const toElasticsearch = (server: StrictElasticsearch, more: object = {}): string =>
  `'elasticsearch', ${JSON.stringify({ node: server.url, dataStream, answers: false, retryDelay: '5ms', maxRetryDelay: '50ms', ...more })}`

async function request(port: number, id: string): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${port}/${id}`, {
    headers: { 'x-id': id, connection: 'close' },
  })
  await response.text()
}

async function requests(port: number, count: number, first = 0): Promise<void> {
  for (let i = 0; i < count; i++) await request(port, `id-${first + i}`)
}

async function start(
  t: ExecutionContext,
  script: string,
  ...options: string[]
): Promise<{ sluice: SluiceProcess; port: number }> {
  const sluice = startSluice(t, [script, ...options])
  return { sluice, port: await sluice.port() }
}

/** Resolves when the server has so many documents. */
async function untilStored(server: StrictElasticsearch, documents: number): Promise<void> {
  const seen = new Occurrences<unknown>()
  server.onRequest = request => seen.add(request)
  while (server.documents(dataStream).size < documents) await seen.next()
}

/** Resolves when all of these entries are in the files of a disk buffer: each thread has its own, and writes when it can. */
async function untilOnDisk(folder: string, ids: readonly string[]): Promise<void> {
  const areThere = (): boolean => {
    const text = readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter(name => name.endsWith('.segment'))
      .map(name => readFileSync(join(folder, name), 'utf8'))
      .join('\n')
    return ids.every(id => text.includes(`["${id}",`))
  }
  while (!areThere()) await new Promise(resolve => setImmediate(resolve))
}

test('what a process was given is written before it ends', async t => {
  const server = await startElasticsearch(t)
  const script = makeScript(t, logging(toElasticsearch(server, { batchInterval: '1h' })))
  const { sluice, port } = await start(t, script, '--threads=2')
  await requests(port, 40)
  t.is(server.documents(dataStream).size, 0)
  sluice.signal('SIGTERM')
  t.is((await sluice.exited).code, 0)
  t.is(server.documents(dataStream).size, 40)
})

test('a process whose sink cannot be written ends within the time it has to drain', async t => {
  const server = await startElasticsearch(t)
  await server.away()
  const script = makeScript(t, logging(toElasticsearch(server)))
  const { sluice, port } = await start(t, script, '--drain-timeout=1')
  await requests(port, 5)
  await sluice.line(/SinkTroubled/)
  const sinceMs = performance.now()
  sluice.signal('SIGTERM')
  t.is((await sluice.exited).code, 0)
  // Without the option it would be thirty seconds.
  t.true(performance.now() - sinceMs < 20_000)
})

test('a process without answers to wait for is not held up by what its sinks wait for', async t => {
  const server = await startElasticsearch(t)
  const script = makeScript(t, logging(toElasticsearch(server, { answers: true, batchInterval: '100ms' })))
  const { sluice, port } = await start(t, script)
  await requests(port, 10)
  sluice.signal('SIGTERM')
  t.is((await sluice.exited).code, 0)
  t.is(server.documents(dataStream).size, 10)
})

test('after a reload the sink of the old script writes what it has, and the ledger goes on', async t => {
  const server = await startElasticsearch(t)
  const script = makeScript(t, logging(toElasticsearch(server, { batchInterval: '200ms' })))
  const sluice = startSluice(t, [script, '--admin-port=0'])
  const admin = /http:\S+/.exec((await sluice.line(/^Admin on/)).message)?.[0]
  const port = await sluice.port()
  await requests(port, 10)
  writeFileSync(script, `${readFileSync(script, 'utf8')}\n// Another one.\n`)
  sluice.signal('SIGHUP')
  await sluice.line(/Reloaded/)
  await requests(port, 10, 10)
  await untilStored(server, 20)
  const status = JSON.parse(await (await fetch(`${admin}/api/v1/status`)).text())
  const rows = status.threads[0].edges.filter(({ kind }: { kind: string }) => kind === 'sink')
  t.is(rows.length, 1)
  t.is(rows[0].accepted, 20)
  t.true(status.threads[0].sinks.length >= 1)
  const metrics = await (await fetch(`${admin}/metrics`)).text()
  t.regex(metrics, /sluice_edge_accepted_total\{[^}]*kind="sink"[^}]*\} 20/)
})

test('documents go to the standard output and to a file as lines', async t => {
  const toStdout = await start(
    t,
    makeScript(t, logging(`'stdout', { batchInterval: '10ms', answers: false }`)),
    '--threads=2',
  )
  await requests(toStdout.port, 20)
  toStdout.sluice.signal('SIGTERM')
  await toStdout.sluice.exited
  const idsOf = (lines: string): string[] =>
    lines
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line).event.id)
      .sort()
  const expected = Array.from({ length: 20 }, (_, i) => `id-${i}`).sort()
  t.deepEqual(idsOf(toStdout.sluice.stdout), expected)
  const path = join(makeFolder(t), 'traffic.jsonl')
  const options = JSON.stringify({ path, maxFileSize: '10m', answers: false })
  const toFile = await start(t, makeScript(t, logging(`'file', ${options}`)), '--threads=2')
  await requests(toFile.port, 20)
  toFile.sluice.signal('SIGTERM')
  await toFile.sluice.exited
  t.deepEqual(idsOf(readFileSync(path, 'utf8')), expected)
})

test('a process that is killed while the server is away: the next one writes what it had on disk', async t => {
  const server = await startElasticsearch(t)
  const bufferPath = makeFolder(t)
  const script = makeScript(t, logging(toElasticsearch(server, { bufferPath, batchInterval: '20ms' })))
  const first = await start(t, script, '--threads=2')
  await requests(first.port, 30)
  await untilStored(server, 30)
  await server.away()
  await requests(first.port, 60, 30)
  await untilOnDisk(
    bufferPath,
    Array.from({ length: 60 }, (_, i) => `id-${30 + i}`),
  )
  first.sluice.signal('SIGKILL')
  await first.sluice.exited
  await server.back()
  const stored = untilStored(server, 90)
  const second = await start(t, script, '--threads=1')
  await stored
  t.is(server.documents(dataStream).size, 90)
  second.sluice.signal('SIGTERM')
  t.is((await second.sluice.exited).code, 0)
})

test('options that cannot be used keep the script from being taken', async t => {
  const script = makeScript(
    t,
    logging(`'elasticsearch', { node: 'http://a', index: 'x', bufferPaht: '/tmp' } as never`),
  )
  const sluice = startSluice(t, [script])
  t.not((await sluice.exited).code, 0)
  t.regex(sluice.stderr, /did you mean 'bufferPath'\?/)
})

/** Logs each request with its body. */
const loggingBodies = (server: StrictElasticsearch): string => `
import { Message, sluice } from 'sluice'
export default sluice()
  .listen('127.0.0.1:0')
  .demuxHTTP()
  .to($ => $
    .logTraffic('elasticsearch', {
      node: '${server.url}', dataStream: '${dataStream}', bodies: { types: ['*'], limit: '64m' }, bufferLimit: '1g',
      batchInterval: '5ms', retryDelay: '5ms', maxRetryDelay: '50ms', timeout: '1s',
    })
    .replaceMessage(msg => {
      if (msg.head.path === '/crash') setTimeout(() => { throw new Error('boom') })
      return new Message({ status: 200 }, 'ok')
    }))
`

async function post(port: number, body: string): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${port}/`, {
    method: 'POST',
    body,
    headers: { 'content-type': 'text/plain; charset=iso-8859-1' },
  })
  await response.text()
  return response.status
}

test('a document that is too much for the heap of the thread that makes it costs no request', async t => {
  const server = await startElasticsearch(t)
  await server.away()
  const sluice = startSluice(t, [makeScript(t, loggingBodies(server))], {
    program: fileURLToPath(new URL('./fixtures/small-heap.ts', import.meta.url)),
  })
  const port = await sluice.port()
  // Documents are held outside of the heap; text of one is in it while its charset is changed.
  const body = '"'.repeat(15 * 1024 * 1024)
  let hasDied = false
  const died = sluice.line(/CompanionDied/).then(line => {
    hasDied = true
    return line
  })
  while (!hasDied) t.is(await post(port, body), 200)
  t.regex((await died).message, /out of its heap of 32 MB/)
  await server.back()
  const stored = untilStored(server, 1)
  // One of the two threads may have its first companion still, with as much to write.
  while (server.documents(dataStream).size === 0) t.is(await post(port, 'little'), 200)
  await stored
  sluice.signal('SIGTERM')
  t.is((await sluice.exited).code, 0)
  t.notRegex(sluice.stderr, /"ThreadDied"/)
})

// Only there are the names of threads to be seen.
const onLinux = process.platform === 'linux' ? test : test.skip

onLinux('a thread that dies takes its companion with it', async t => {
  const server = await startElasticsearch(t)
  const sluice = startSluice(t, [makeScript(t, loggingBodies(server)), '--log-level=debug'])
  const port = await sluice.port()
  const companions = (): number => {
    const { pid } = sluice.child
    const names = readdirSync(`/proc/${pid}/task`).map(thread => {
      try {
        return readFileSync(`/proc/${pid}/task/${thread}/comm`, 'utf8').trim()
      } catch {
        return 'has ended'
      }
    })
    return names.filter(name => name === 'sinks-0').length
  }
  t.is(await post(port, 'one'), 200)
  await untilStored(server, 1)
  t.is(companions(), 1)
  await request(port, 'crash').catch(() => {})
  await sluice.line(/^ThreadDied$/)
  await sluice.line(/^ThreadReady$/)
  const stored = untilStored(server, 2)
  t.is(await post(port, 'two'), 200)
  await stored
  t.is(companions(), 1)
})
