import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough, Writable } from 'node:stream'
import test from 'ava'
import { Item } from '../../../observability/sinks/destination.ts'
import { StreamDestination } from '../../../observability/sinks/stdout.ts'
import { entries, openSink } from '../../support/sinks.ts'
import { makeFolder } from '../../support/sluice.ts'

test('a file is put aside when it is large, and so many are kept', async t => {
  const folder = makeFolder(t)
  const sink = openSink(t, 'file', {
    path: join(folder, 'traffic.jsonl'),
    batchCount: 10,
    batchInterval: '1ms',
    maxFileSize: 2000,
    maxFileCount: 3,
  })
  for (let i = 0; i < 20; i++) {
    sink.write(...entries(10, i * 10))
    await sink.untilSettled((i + 1) * 10)
  }
  const files = readdirSync(folder).sort()
  t.is(files.length, 4)
  t.is(files[0], 'traffic.jsonl')
  t.regex(files[1] ?? '', /^traffic\.jsonl\.\d{8}T\d{9}Z/)
  for (const name of files) {
    const lines = readFileSync(join(folder, name), 'utf8').trimEnd().split('\n')
    t.true(lines.every(line => typeof JSON.parse(line).n === 'number'))
  }
})

test('several sinks may write to one file: no line is torn', async t => {
  const path = join(makeFolder(t), 'traffic.jsonl')
  const sinks = [0, 1, 2].map(() => openSink(t, 'file', { path, batchCount: 7, batchInterval: '1ms' }))
  for (const [i, sink] of sinks.entries()) sink.write(...entries(300, i * 300))
  await Promise.all(sinks.map(sink => sink.untilSettled(300)))
  const numbers = readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line).n)
  t.deepEqual(
    numbers.sort((a, b) => a - b),
    Array.from({ length: 900 }, (_, n) => n),
  )
})

const items = (count: number): Item[] => entries(count).map(entry => new Item(entry, undefined, 0))

test('lines to a stream are stored when it has taken them', async t => {
  const stream = new PassThrough()
  const verdict = await new StreamDestination(stream).send(items(2))
  t.is(verdict.kind, 'answered')
  t.is(
    stream.read().toString(),
    entries(2)
      .map(({ json }) => `${json}\n`)
      .join(''),
  )
})

test('on the standard output nothing in a document is obeyed by a terminal, and it says the same', async t => {
  const stream = new PassThrough()
  const said = { agent: 'a\u009b2J\u007f\u0085b\u202ec', kept: 'ü€😀' }
  const json = Buffer.from(JSON.stringify(said))
  await new StreamDestination(stream).send([new Item({ id: '1', timeMs: 0, json }, undefined, 0)])
  const line = stream.read().toString() as string
  t.is(line, `{"agent":"a\\u009b2J\\u007f\\u0085b\\u202ec","kept":"ü€😀"}\n`)
  t.deepEqual(JSON.parse(line), said)
})

test('a stream that does not take them is tried again', async t => {
  const broken = new Writable({ write: (_chunk, _encoding, done) => done(new Error('EPIPE')) })
  broken.on('error', () => {})
  t.like(await new StreamDestination(broken).send(items(1)), { kind: 'again', reason: 'EPIPE' })
})
