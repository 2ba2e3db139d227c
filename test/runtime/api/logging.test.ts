/** Loggers: what they write where, and what they do when a place does not take it. */

import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import test, { type ExecutionContext } from 'ava'
import * as logging from '../../../runtime/api/logging/index.ts'
import { StreamTarget } from '../../../runtime/api/logging/stream-target.ts'
import { logTargets } from '../../../runtime/api/logging/target.ts'
import { statsRegistry } from '../../../runtime/api/stats/registry.ts'
import { Data } from '../../../runtime/data.ts'

function makeFolder(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-log-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  return folder
}

const flush = (): Promise<void> => logTargets.flush(5000)

/** How many records of a target were dropped, by reason. */
const dropped = (target: string): Record<string, number> =>
  Object.fromEntries(
    statsRegistry
      .snapshot()
      .filter(metric => metric.name === 'sluice_log_records_dropped_total')
      .flatMap(metric => metric.series)
      .filter(series => series.labels[0] === target)
      .map(series => [series.labels[1], series.value]),
  )

interface Received {
  readonly body: string
  readonly method: string | undefined
  readonly type: string | undefined
}

/** A log server that answers with one status after the other, and with the last for ever. */
async function startServer(
  t: ExecutionContext,
  statuses: number[],
): Promise<{ url: string; host: string; received: Received[]; next: () => Promise<void> }> {
  const received: Received[] = []
  const waiting: (() => void)[] = []
  const read = async (request: IncomingMessage): Promise<string> => {
    let body = ''
    for await (const chunk of request) body += chunk
    return body
  }
  const server = createServer((request, response) => {
    void read(request).then(body => {
      const { method, headers } = request
      received.push({ body, method, type: headers['content-type'] })
      response.writeHead((statuses.length > 1 ? statuses.shift() : statuses[0]) as number).end('thanks')
      for (const notify of waiting.splice(0)) notify()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url: `http://${host}/logs`,
    host,
    received,
    next: () => new Promise(resolve => waiting.push(resolve)),
  }
}

test.serial('each logger writes values in its form, a line each', async t => {
  const file = join(makeFolder(t), 'deep/er.log')
  const circle: { self?: unknown } = {}
  circle.self = circle
  new logging.JSONLogger('a').toFile(file).log({ a: 1 }, 'text', undefined, circle, { a: '\u009b2J' })
  new logging.TextLogger('a').toFile(file).log('text', 7, { a: [1] }, null, new Data('data'))
  new logging.BinaryLogger('a').toFile(file).log(new Data('by'), 'te', [115])
  await flush()
  const lines = readFileSync(file, 'utf8').split('\n')
  t.regex(lines.splice(2, 1)[0] as string, /^\{"unwritable":"Converting circular/)
  t.deepEqual(lines, ['{"a":1}', '"text"', '{"a":"\\u009b2J"}', 'text 7 {"a":[1]} null data', 'bytes', ''])
})

test.serial('a large file is put aside, and the oldest of those are deleted', async t => {
  const folder = makeFolder(t)
  const file = join(folder, 'x.log')
  const log = new logging.TextLogger('a').toFile(file, { maxFileSize: 100, maxFileCount: 2 })
  for (let i = 0; i < 10; i++) {
    log.log(`${i} `.padEnd(60, '.'))
    await flush()
  }
  const aside = readdirSync(folder).filter(name => name !== 'x.log')
  t.is(aside.length, 2)
  const order = new Intl.Collator('en', { numeric: true })
  const kept = [...aside.sort(order.compare), 'x.log'].map(name => readFileSync(join(folder, name), 'utf8'))
  t.deepEqual(
    kept.map(text => Number.parseInt(text, 10)),
    [7, 8, 9],
  )
})

test.serial('a file that another process has put aside is begun anew, and no line is lost', async t => {
  const folder = makeFolder(t)
  const file = join(folder, 'x.log')
  const log = new logging.TextLogger('a').toFile(file)
  log.log('1')
  await flush()
  renameSync(file, `${file}.1`)
  log.log('2')
  await flush()
  t.is(readFileSync(`${file}.1`, 'utf8'), '1\n')
  t.is(readFileSync(file, 'utf8'), '2\n')
})

test.serial('an old file is put aside', async t => {
  const folder = makeFolder(t)
  const file = join(folder, 'x.log')
  const log = new logging.TextLogger('a').toFile(file, { rotateInterval: '1h' })
  log.log('before')
  await flush()
  const { now } = Date
  Date.now = () => now() + 3_600_001
  log.log('after')
  await flush()
  Date.now = now
  t.is(readFileSync(file, 'utf8'), 'after\n')
  t.is(readdirSync(folder).length, 2)
})

test.serial('a file that cannot be written costs its records, and is tried again', async t => {
  const folder = makeFolder(t)
  const log = new logging.TextLogger('a').toFile(folder)
  log.log('1')
  await flush()
  t.deepEqual(dropped(`file ${folder}`), { failed: 1 })
})

test.serial('records go to a server in batches, in their order', async t => {
  const { url, received } = await startServer(t, [200])
  const log = new logging.JSONLogger('a').toHTTP(url, {
    headers: { 'content-type': 'application/json' },
    method: 'PUT',
    batch: { size: 3, prefix: '[', postfix: ']', separator: ',' },
  })
  for (let i = 0; i < 7; i++) log.log({ i })
  await flush()
  t.deepEqual(received, [
    { body: '[{"i":0},{"i":1},{"i":2}]', method: 'PUT', type: 'application/json' },
    { body: '[{"i":3},{"i":4},{"i":5}]', method: 'PUT', type: 'application/json' },
    { body: '[{"i":6}]', method: 'PUT', type: 'application/json' },
  ])
})

test.serial('a batch that is not full is sent after a while, or when nothing is added', async t => {
  for (const batch of [{ interval: '30ms' }, { interval: 0, timeout: '30ms' }]) {
    const { url, received, next } = await startServer(t, [204])
    const log = new logging.TextLogger('a').toHTTP(url, { batch })
    const arrived = next()
    log.log('a')
    log.log('b')
    await arrived
    t.deepEqual(
      received.map(({ body }) => body),
      ['a\nb'],
    )
    const again = next()
    log.log('c')
    await again
    t.is(received[1]?.body, 'c')
  }
})

test.serial('a server that fails gets the same batch again, one that refuses does not', async t => {
  const { url, host, received } = await startServer(t, [503, 429, 200, 400, 200])
  const log = new logging.TextLogger('a').toHTTP(url, { batch: { size: 0 } })
  const { log: write } = log
  for (const record of ['a', 'b', 'c']) write(record)
  await flush()
  t.deepEqual(
    received.map(({ body }) => body),
    ['a', 'a', 'a', 'b', 'c'],
  )
  t.deepEqual(dropped(`http ${host}`), { refused: 1 })
})

test.serial(
  'a server that is away costs no more memory than the limit, and what does not fit is counted',
  async t => {
    const { url, host, received } = await startServer(t, [200])
    const log = new logging.TextLogger('a').toHTTP(url, { bufferLimit: 100, batch: { interval: 0 } })
    for (let i = 0; i < 30; i++) log.log('0123456789')
    t.deepEqual(dropped(`http ${host}`), { overflow: 20 })
    await flush()
    t.is(received[0]?.body.length, 109)
    log.log('more')
    await flush()
    t.is(received[1]?.body, 'more')
  },
)

test.serial('a stream that does not take what it is given is not fed without end', t => {
  const stuck = new Writable({ write: () => {} })
  const target = new StreamTarget(stuck, 'stuck')
  const record = Buffer.alloc(1024 * 1024)
  for (let i = 0; i < 20; i++) target.write(record)
  t.deepEqual(dropped('stuck'), { overflow: 5 })
})

test.serial('the lines of one turn go to a stream as one write', async t => {
  const writes: string[] = []
  const target = new StreamTarget(
    new Writable({
      write: (chunk, _encoding, done) => {
        writes.push(String(chunk))
        done()
      },
    }),
    'whole',
  )
  target.write(Buffer.from('a'))
  target.write(Buffer.from('b'))
  await target.flush(1000)
  t.deepEqual(writes.filter(Boolean), ['a\nb\n'])
})

test.serial('a syslog server gets messages as RFC 5424 has them', async t => {
  const server = createSocket('udp4')
  server.bind(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => void server.close())
  const received = once(server, 'message')
  new logging.TextLogger('my app')
    .toSyslog('warning', { address: `127.0.0.1:${server.address().port}` })
    .log('hello')
  t.regex(String((await received)[0]), /^<12>1 \d{4}-\d\d-\d\dT[\d:.]+Z \S+ my_app \d+ - - hello$/)
})

test.serial('loggers that name one place share it, and wrong options are refused', async t => {
  const { url, received } = await startServer(t, [200])
  const one = new logging.TextLogger('a').toHTTP(url).toHTTP(url)
  one.log('1')
  new logging.TextLogger('b').toHTTP(url).log('2')
  await flush()
  t.deepEqual(
    received.map(({ body }) => body),
    ['1\n2'],
  )
  t.throws(() => one.toHTTP('ftp://x'), { message: /and not "ftp:\/\/x"/ })
  t.throws(() => one.toHTTP(url, { batch: { sze: 1 } } as never), { message: /did you mean 'size'/ })
  t.throws(() => one.toSyslog('LOUD' as never), { message: /EMERG, ALERT/ })
  t.throws(() => one.toFile('x', { maxFileSize: 'big' }), { message: /wants a size/ })
})

// Last, since a flush waits for all targets.
test.serial('nobody waits for a server that never comes back longer than a flush may take', async t => {
  const log = new logging.TextLogger('a').toHTTP('http://127.0.0.1:1/')
  log.log('lost')
  const startMs = performance.now()
  await logTargets.flush(300)
  t.true(performance.now() - startMs < 2000)
})
