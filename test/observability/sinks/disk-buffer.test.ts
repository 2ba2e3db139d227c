/** Documents that wait on disk: they outlast memory, restarts, kills and half-written files. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, readdirSync, statSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import type { SinkEntry } from '../../../actors/sink.ts'
import { everyThirdItem, type StrictElasticsearch, silence } from '../../support/elasticsearch/index.ts'
import { startElasticsearch } from '../../support/elasticsearch.ts'
import { Occurrences } from '../../support/occurrences.ts'
import { bufferedBytes, entries, TestSink, writeAtDiskSpeed } from '../../support/sinks.ts'
import { makeFolder } from '../../support/sluice.ts'

const dataStream = 'logs-traffic-default'

const optionsOf = (server: StrictElasticsearch, bufferPath: string): object => ({
  node: server.url,
  dataStream,
  bufferPath,
  batchCount: 50,
  batchInterval: '10ms',
  retryDelay: '2ms',
  maxRetryDelay: '40ms',
})

function open(
  t: ExecutionContext,
  server: StrictElasticsearch,
  folder: string,
  options: object = {},
  place: [number, number] = [0, 1],
): TestSink {
  const sink = new TestSink('elasticsearch', { ...optionsOf(server, folder), ...options }, ...place)
  t.teardown(() => sink.sink.close(0))
  return sink
}

const segments = (folder: string): string[] =>
  (readdirSync(folder, { recursive: true, encoding: 'utf8' }) as string[]).filter(name =>
    name.endsWith('.segment'),
  )

/** Documents at the speed of the disk, with a look at the memory that they take. */
async function writeAll(
  t: ExecutionContext,
  { sink, sinks }: TestSink,
  folder: string,
  all: readonly SinkEntry[],
  limit: number,
): Promise<void> {
  let most = 0
  await writeAtDiskSpeed(sink, folder, all, () => {
    most = Math.max(most, sinks.status()[0]?.memoryBytes ?? 0)
  })
  t.true(most <= limit, `it held ${most} bytes in memory`)
}

/** Resolves when the server has so many. */
async function untilStored(server: StrictElasticsearch, documents: number): Promise<void> {
  const requests = new Occurrences<unknown>()
  server.onRequest = request => requests.add(request)
  while (server.documents(dataStream).size < documents) await requests.next()
}

/** A server that is away, and the folder of a sink. */
async function away(t: ExecutionContext): Promise<{ server: StrictElasticsearch; folder: string }> {
  const server = await startElasticsearch(t)
  await server.away()
  return { server, folder: makeFolder(t) }
}

/** A server that is away, and what a sink that closed has left for it: a hundred documents in one file. */
async function leftBehind(
  t: ExecutionContext,
): Promise<{ server: StrictElasticsearch; folder: string; file: string }> {
  const { server, folder } = await away(t)
  const sink = open(t, server, folder)
  sink.write(...entries(100))
  await sink.sink.close(5)
  return { server, folder, file: join(folder, segments(folder)[0] as string) }
}

/** The server is back, and the next sink finds that the file is not whole. */
async function openTorn(t: ExecutionContext, server: StrictElasticsearch, folder: string): Promise<TestSink> {
  await server.back()
  const sink = open(t, server, folder)
  await sink.logs.next(({ code }) => code === 'SinkBufferTorn')
  await sink.sink.close(5000)
  return sink
}

test('documents that are written leave nothing on disk', async t => {
  const server = await startElasticsearch(t)
  const folder = makeFolder(t)
  const sink = open(t, server, folder)
  sink.write(...entries(500))
  await sink.untilSettled(500)
  t.deepEqual(sink.count(), { stored: 500 })
  t.is(sink.status?.memoryBytes, 0)
  await sink.sink.close(1000)
  t.deepEqual(segments(folder), [])
})

test('what memory has no room for waits on disk, and is written in order when the server is back', async t => {
  const { server, folder } = await away(t)
  const sink = open(t, server, folder, { bufferLimit: '40k', concurrency: 1 })
  // Without callbacks: those stay in memory.
  const all = entries(5000)
  await writeAll(t, sink, folder, all, 40 * 1024)
  t.true(sink.isBalanced)
  t.is(sink.row.inFlight, 5000)
  await sink.logs.next(({ code }) => code === 'SinkTroubled')
  t.true(bufferedBytes(folder) > 400_000)
  await server.back()
  await untilStored(server, 5000)
  await sink.sink.close(5000)
  t.like(sink.row, { accepted: 5000, delivered: 5000, dropped: {}, inFlight: 0 })
  t.deepEqual(
    [...server.documents(dataStream).keys()],
    all.map(({ id }) => id),
  )
  t.deepEqual(segments(folder), [])
})

test('those who asked are told when what was on disk alone is settled', async t => {
  const server = await startElasticsearch(t)
  server.faults = [everyThirdItem(429)]
  const sink = open(t, server, makeFolder(t), { bufferLimit: '512k' })
  sink.write(...entries(1500))
  await sink.untilSettled(1500)
  t.deepEqual(sink.count(), { stored: 1500 })
  t.is(sink.status?.memoryBytes, 0)
})

test('callbacks do not grow over the memory either', async t => {
  const server = await startElasticsearch(t)
  await server.away()
  const sink = open(t, server, makeFolder(t), { bufferLimit: '20k' })
  sink.write(...entries(1000))
  t.true((sink.status?.memoryBytes ?? 0) <= 20 * 1024)
  t.true((sink.row.dropped.overflow ?? 0) > 0)
  t.true(sink.isBalanced)
})

test('a disk buffer that is full drops what comes, and counts it', async t => {
  const { server, folder } = await away(t)
  const sink = open(t, server, folder, { bufferLimit: '20k', bufferDiskLimit: '100k' })
  for (const entry of entries(2000)) {
    sink.sink.write(entry)
    await new Promise(resolve => setImmediate(resolve))
  }
  const dropped = sink.row.dropped.overflow ?? 0
  t.true(dropped > 1000)
  t.true(sink.sink.isCongested)
  await server.back()
  await untilStored(server, 2000 - dropped)
  await sink.sink.close(5000)
  t.like(sink.row, { delivered: 2000 - dropped, inFlight: 0 })
  t.true(sink.isBalanced)
})

test('what is not written when a sink closes is written by the next one', async t => {
  const { server, folder } = await away(t)
  const first = open(t, server, folder)
  first.write(...entries(300))
  await first.sink.close(20)
  t.deepEqual(first.row.dropped, { 'left-on-disk': 300 })
  t.deepEqual(first.count(), { dropped: 300 })
  await server.back()
  const second = open(t, server, folder)
  await untilStored(server, 300)
  await second.sink.close(5000)
  t.like(second.row, { accepted: 300, delivered: 300, inFlight: 0 })
  t.deepEqual(segments(folder), [])
})

test('what was settled is not written again by the next one', async t => {
  const server = await startElasticsearch(t)
  const folder = makeFolder(t)
  const first = open(t, server, folder)
  first.write(...entries(200))
  await first.untilSettled(200)
  server.faults = [silence()]
  first.write(...entries(100, 200))
  await first.sink.close(20)
  server.faults = []
  const second = open(t, server, folder)
  await second.sink.close(5000)
  // The silent server has stored the last hundred before it fell silent.
  t.like(second.row, { accepted: 100, delivered: 0, duplicate: 100 })
  t.is(server.documents(dataStream).size, 300)
})

test('a reload hands over: the new sink of a place writes what the old one leaves', async t => {
  const { server, folder } = await away(t)
  const old = open(t, server, folder)
  old.write(...entries(100))
  const next = open(t, server, folder)
  next.write(...entries(100, 100))
  await old.sink.close(20)
  await server.back()
  await untilStored(server, 200)
  await next.sink.close(5000)
  t.like(next.row, { accepted: 200, delivered: 200 })
  t.deepEqual(segments(folder), [])
})

test('a process with fewer threads writes what the threads before it left', async t => {
  const { server, folder } = await away(t)
  for (const thread of [0, 1, 2]) {
    const sink = open(t, server, folder, {}, [thread, 3])
    sink.write(...entries(50, thread * 50))
    await sink.sink.close(5)
  }
  await server.back()
  const sink = open(t, server, folder)
  await untilStored(server, 150)
  await sink.sink.close(5000)
  t.like(sink.row, { accepted: 150, delivered: 150 })
})

test('a file that ends in the middle of an entry is read up to there', async t => {
  const { server, folder, file } = await leftBehind(t)
  truncateSync(file, statSync(file).size - 5)
  const next = await openTorn(t, server, folder)
  t.like(next.row, { accepted: 99, delivered: 99 })
  t.deepEqual(segments(folder), [])
})

test('a file with something else at its end is read up to there', async t => {
  const { server, folder, file } = await leftBehind(t)
  appendFileSync(file, Buffer.alloc(4096, 7))
  const next = await openTorn(t, server, folder)
  t.like(next.row, { accepted: 100, delivered: 100 })
})

test('a folder that cannot be used is told at once', async t => {
  const server = await startElasticsearch(t)
  const folder = makeFolder(t, { file: 'in the way' })
  t.throws(() => open(t, server, join(folder, 'file')), { message: /bufferPath .* cannot be used/ })
})

test('a process that is killed loses nothing that it had written, and its folder is free again', async t => {
  const { server, folder } = await away(t)
  const writer = spawn(
    process.execPath,
    [
      fileURLToPath(new URL('../../support/sink-writer.ts', import.meta.url)),
      JSON.stringify({ ...optionsOf(server, folder), bufferLimit: '100k' }),
      '3000',
    ],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  )
  t.teardown(() => writer.kill('SIGKILL'))
  const [said] = (await once(writer.stdout, 'data')) as [Buffer]
  t.is(said.toString().trim(), 'written')
  t.throws(() => open(t, server, folder), { message: /uses it/ })
  writer.kill('SIGKILL')
  await once(writer, 'exit')
  await server.back()
  const next = open(t, server, folder)
  await untilStored(server, 3000)
  await next.sink.close(5000)
  t.like(next.row, { accepted: 3000, delivered: 3000, inFlight: 0 })
  t.is(server.conflicts, 0)
})
