import test from 'ava'
import { createLogger, humanLines, jsonLines, type LogRecord, stringify } from '../../observability/log.ts'
import { LogRelay } from '../../observability/log-relay.ts'
import { scriptConsole } from '../../observability/script-console.ts'
import { Occurrences } from '../support/occurrences.ts'

const collect = (): { records: LogRecord[]; sink: (record: LogRecord) => void } => {
  const records: LogRecord[] = []
  return { records, sink: record => records.push(record) }
}

test('what is below the level is not written', t => {
  const { records, sink } = collect()
  const log = createLogger({ level: 'warn', sink })
  log.debug('a')
  log.info('b')
  log.warn('c')
  log.error('d')
  t.deepEqual(
    records.map(record => record.message),
    ['c', 'd'],
  )
  t.false(log.isEnabled('info'))
  t.true(log.isEnabled('error'))
})

test('a flood of one code is cut to ten a second, and the rest is counted', async t => {
  const records = new Occurrences<LogRecord>()
  const log = createLogger({ level: 'info', sink: record => records.add(record) })
  const keepAlive = setInterval(() => {}, 1000)
  t.teardown(() => clearInterval(keepAlive))
  for (let i = 0; i < 25; i++) log.warn(`refused ${i}`, { code: 'ConnectionRefused' })
  log.warn('another', { code: 'ReadTimeout' })
  t.is(records.seen.length, 11)
  const summary = await records.next(record => record.fields.suppressed !== undefined)
  t.is(summary.fields.suppressed, 15)
  t.is(summary.fields.code, 'ConnectionRefused')
})

test('infos are never cut: a script that prints prints', t => {
  const { records, sink } = collect()
  const log = createLogger({ level: 'info', sink })
  for (let i = 0; i < 25; i++) log.info('same')
  t.is(records.length, 25)
})

test('a line for programs has the stable names first', t => {
  const lines: string[] = []
  jsonLines(line => lines.push(line))({
    timeMs: 0,
    level: 'warn',
    message: 'no',
    fields: { peer: '::1', code: 'ConnectionRefused', source: 'upstream' },
    thread: 1,
  })
  t.is(
    lines.join(''),
    '{"time":"1970-01-01T00:00:00.000Z","level":"warn","code":"ConnectionRefused","source":"upstream","message":"no","thread":1,"peer":"::1"}\n',
  )
})

test('a line for people has time, level, message and the rest, and the stack below', t => {
  const lines: string[] = []
  humanLines(
    line => lines.push(line),
    false,
  )({
    timeMs: 0,
    level: 'error',
    message: 'no',
    fields: { code: 'ReadError', tries: 2, stack: 'Error\n  at x' },
    thread: 1,
  })
  t.regex(lines.join(''), /^\d\d:\d\d:\d\d\.000 ERROR no code=ReadError tries=2 thread=1\nError\n {2}at x\n$/)
})

test('whatever a script logs can be written', t => {
  const cycle: Record<string, unknown> = { big: 10n, call: () => 1 }
  cycle.self = cycle
  const shared = { x: 1 }
  t.is(stringify(cycle), '{"big":"10","call":"function call","self":"[circular]"}')
  t.is(stringify([shared, shared]), '[{"x":1},{"x":1}]')
  t.is(stringify(undefined), 'undefined')
})

test('records of a turn leave a thread together, errors at once', async t => {
  const posts = new Occurrences<readonly LogRecord[]>()
  const log = createLogger({ level: 'info', thread: 3, sink: new LogRelay(batch => posts.add(batch)).sink })
  log.info('one')
  log.info('two')
  t.is(posts.seen.length, 0)
  t.deepEqual(
    (await posts.next()).map(record => record.message),
    ['one', 'two'],
  )
  log.error('three')
  t.is(posts.seen.length, 2)
  t.is(posts.seen[1]?.[0]?.thread, 3)
})

test('a field that cannot cross threads does not silence its message', t => {
  const posts: (readonly LogRecord[])[] = []
  const relay = new LogRelay(batch => posts.push(structuredClone(batch)))
  createLogger({ level: 'info', sink: relay.sink }).error('no', { what: () => 1 })
  t.is(posts[0]?.[0]?.message, 'no')
  t.is(posts[0]?.[0]?.fields.what, 'function what')
})

test('the console of scripts writes to the log, at the level of the method', t => {
  const { records, sink } = collect()
  const console = scriptConsole(createLogger({ level: 'info', sink }))
  console.debug('unseen')
  console.log('%s is %d', 'it', 7, { a: 1 })
  console.warn('careful')
  console.error(new Error('no'))
  console.table([{ a: 1 }])
  t.deepEqual(
    records.slice(0, 2).map(({ level, message }) => [level, message]),
    [
      ['info', 'it is 7 { a: 1 }'],
      ['warn', 'careful'],
    ],
  )
  t.is(records[2]?.level, 'error')
  t.regex(records[2]?.message ?? '', /^Error: no\n/)
  t.regex(records[3]?.message ?? '', /a[\s\S]*\n[\s\S]*1/, 'a table is one record of several lines')
  t.true(records.every(record => record.fields.source === 'script'))
})

test('a topic has the level that it is given, and all else the level for all', t => {
  const records: LogRecord[] = []
  const log = createLogger({
    level: { all: 'warn', topics: { script: 'debug', upstream: 'error' } },
    sink: record => records.push(record),
  })
  log.debug('a', { source: 'script' })
  log.debug('b', { source: 'internal' })
  log.info('c')
  log.warn('d', { source: 'upstream' })
  log.warn('e', { source: 'downstream' })
  log.error('f', { source: 'upstream' })
  t.deepEqual(
    records.map(record => record.message),
    ['a', 'e', 'f'],
  )
  t.true(log.isEnabled('debug'))
})
