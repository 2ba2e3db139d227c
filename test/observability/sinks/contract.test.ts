/** What all kinds of sinks promise, in `actors/sink.ts`. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { entries, openSink, type TestSink } from '../../support/sinks.ts'
import { makeFolder } from '../../support/sluice.ts'
import { type Subject, subjects } from './subjects.ts'

const quick = { batchCount: 25, batchInterval: '10ms', retryDelay: '2ms', maxRetryDelay: '30ms' }

const open = (t: ExecutionContext, subject: Subject, options: object = {}): TestSink =>
  openSink(t, subject.kind, { ...subject.options, ...quick, ...options })

const ids = (count: number, first = 0): string[] =>
  entries(count, first)
    .map(({ id }) => id)
    .sort()

for (const [name, start] of Object.entries(subjects)) {
  const promise = (title: string, run: (t: ExecutionContext, subject: Subject) => Promise<void>): void => {
    test(`${name}: ${title}`, async t => run(t, await start(t)))
  }

  promise('each entry is stored and has one outcome', async (t, subject) => {
    const sink = open(t, subject)
    sink.write(...entries(500))
    t.true(sink.isBalanced)
    await sink.untilSettled(500)
    t.deepEqual(sink.count(), { stored: 500 })
    t.deepEqual(subject.stored().sort(), ids(500))
    t.like(sink.row, { kind: 'sink', accepted: 500, delivered: 500, inFlight: 0 })
    t.like(sink.status, { waiting: 0, memoryBytes: 0, trouble: undefined })
  })

  promise('its ledger balances at any moment', async (t, subject) => {
    const sink = open(t, subject, { bufferLimit: '40k' })
    let looks = 0
    sink.settled.add = id => {
      sink.settled.seen.push(id)
      looks++
      if (!sink.isBalanced) t.fail(`it does not balance after ${looks}`)
    }
    for (let at = 0; at < 400; at += 20) {
      sink.write(...entries(20, at))
      t.true(sink.isBalanced)
      await new Promise(resolve => setImmediate(resolve))
    }
    await sink.sink.close(5000)
    t.is(looks, 400)
    t.true(sink.isBalanced)
    t.is(sink.row.inFlight, 0)
  })

  promise('closing writes what it has', async (t, subject) => {
    const sink = open(t, subject, { batchInterval: '1h' })
    sink.write(...entries(30))
    await sink.sink.close(5000)
    t.deepEqual(sink.count(), { stored: 30 })
    t.deepEqual(subject.stored().sort(), ids(30))
  })

  promise('flushing writes what it has, and it goes on', async (t, subject) => {
    const sink = open(t, subject, { batchInterval: '1h' })
    sink.write(...entries(10))
    await sink.sink.flush(5000)
    t.deepEqual(sink.count(), { stored: 10 })
    sink.write(...entries(10, 10))
    await sink.untilSettled(20)
    t.deepEqual(sink.count(), { stored: 20 })
  })

  promise('closing in vain drops what is left, tells it, and is not late', async (t, subject) => {
    const sink = open(t, subject, { batchInterval: '1h' })
    await subject.away()
    sink.write(...entries(30))
    const sinceMs = performance.now()
    await sink.sink.close(100)
    t.true(performance.now() - sinceMs < 3000)
    t.deepEqual(sink.count(), { dropped: 30 })
    t.like(sink.row, { accepted: 30, dropped: { closed: 30 }, inFlight: 0 })
    await sink.sink.close(100)
    await subject.back()
  })

  promise('what is given to one that is closed is dropped', async (t, subject) => {
    const sink = open(t, subject)
    await sink.sink.close(100)
    sink.write(...entries(1))
    t.deepEqual(sink.count(), { dropped: 1 })
    t.is(sink.reasonOf('id-0'), 'closed')
  })

  promise('what comes while nothing can be written is written afterwards', async (t, subject) => {
    const sink = open(t, subject)
    await subject.away()
    sink.write(...entries(200))
    await sink.logs.next(({ code }) => code === 'SinkTroubled')
    t.is(sink.row.inFlight, 200)
    t.is(typeof sink.status?.trouble, 'string')
    await subject.back()
    await sink.untilSettled(200)
    t.deepEqual(sink.count(), { stored: 200 })
    t.deepEqual([...new Set(subject.stored())].sort(), ids(200))
    await sink.logs.next(({ code }) => code === 'SinkRecovered')
  })

  promise('it holds no more than its limit, says when it is congested, and when not', async (t, subject) => {
    const sink = open(t, subject, { bufferLimit: '32k' })
    await subject.away()
    t.false(sink.sink.isCongested)
    let immediate = false
    sink.sink.awaitRelief(() => {
      immediate = true
    })
    t.true(immediate)
    for (const entry of entries(300)) {
      sink.write(entry)
      t.true((sink.status?.memoryBytes ?? 0) <= 32 * 1024)
    }
    t.true(sink.sink.isCongested)
    t.true((sink.row.dropped.overflow ?? 0) > 100)
    const relieved = new Promise<void>(resolve => sink.sink.awaitRelief(resolve))
    await subject.back()
    await relieved
    t.false(sink.sink.isCongested)
    await sink.untilSettled(300)
    t.true(sink.isBalanced)
  })

  promise('whoever waits for relief is told when it closes', async (t, subject) => {
    const sink = open(t, subject, { bufferLimit: '16k' })
    await subject.away()
    sink.write(...entries(100))
    const relieved = new Promise<void>(resolve => sink.sink.awaitRelief(resolve))
    await sink.sink.close(10)
    await relieved
    await subject.back()
    t.pass()
  })

  promise('what is no document is put aside with the reason', async (t, subject) => {
    const file = join(makeFolder(t), 'dead.jsonl')
    const sink = open(t, subject, { deadLetters: file })
    const [entry] = entries(1) as [ReturnType<typeof entries>[0]]
    sink.write({ ...entry, json: Buffer.from('{\n}') }, ...entries(5, 1))
    await sink.untilSettled(6)
    t.deepEqual(sink.count(['id-0']), { 'dead-lettered': 1 })
    t.deepEqual(subject.stored().sort(), ids(5, 1))
    t.like(JSON.parse(readFileSync(file, 'utf8')), { id: 'id-0', document: '{\n}', place: 'test.sink' })
    t.like(sink.row, { accepted: 6, delivered: 5, deadLettered: 1 })
  })

  promise('a callback that throws harms nobody else', async (t, subject) => {
    const sink = open(t, subject)
    const [entry] = entries(1) as [ReturnType<typeof entries>[0]]
    sink.sink.write(entry, () => {
      throw new Error('not now')
    })
    sink.write(...entries(20, 1))
    await sink.untilSettled(20)
    t.like(sink.row, { delivered: 21, inFlight: 0 })
    t.true(sink.logs.seen.some(({ message }) => message.includes('not now')))
  })
}
