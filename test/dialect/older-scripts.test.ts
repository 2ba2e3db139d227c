/** What scripts of Pipy rely on, found by running its own tutorials and samples: each was once told or done otherwise. */

import type { ExecutionContext } from 'ava'
import ava from 'ava'
import { Message } from '../../actors/index.ts'
import { loadFirstGeneration } from '../support/dialect.ts'
import { type RunningScript, runScript } from '../support/run-script.ts'
import { openStream, type TestStream, testProgram } from '../support/stream.ts'

// Which script's folder names of files are relative to is known to the thread: one after the other.
const test = ava.serial

const load = (t: ExecutionContext, main: string, files: Readonly<Record<string, string>> = {}): unknown =>
  loadFirstGeneration(t, { ...files, 'main.js': main })

const open = (t: ExecutionContext, main: string, files?: Readonly<Record<string, string>>): TestStream =>
  openStream(t, load(t, main, files))

const run = (t: ExecutionContext, main: string): Promise<RunningScript> => runScript(t, load(t, main))

test('a target of null passes the stream straight on', t => {
  t.deepEqual(
    open(t, "pipy().pipeline('main').link('no', () => false, null).pipeline('no').dummy()").feed('a').output,
    ['a'],
  )
  const branch = "pipy().pipeline('main').branchMessageStart(() => false, $ => $.dummy(), null)"
  t.deepEqual(open(t, branch).feed('a').output, [])
})

test('handleSessionStart and handleSessionEnd are names of handleStreamStart and handleStreamEnd', t => {
  const stream = open(
    t,
    `pipy({ _seen: '' }).pipeline('main')
      .handleSessionStart(() => _seen = 'start').handleSessionEnd(() => _seen += ' end')`,
  )
  stream.feed('a').end()
  t.is(stream.context._seen, 'start end')
})

test('a listener without a port is left out, with all that could be wrong behind it', async t => {
  const { ports } = await run(
    t,
    `((config = {}) => pipy()
      .listen(config.tls).acceptTLS({ certificate: config.certificate }).to('web')
      .listen('127.0.0.1:0').link('web')
      .pipeline('web').serveHTTP(new Message('hi')))()`,
  )
  t.is(ports.length, 1)
})

test('repeat with a list writes pipelines for each of its elements', async t => {
  const { ports } = await run(
    t,
    `pipy()
      .repeat(['one', 'two'], ($, name) => $.listen('127.0.0.1:0').serveHTTP(() => new Message(name)))
      .repeat(1, ($, i) => $.listen('127.0.0.1:0').serveHTTP(() => new Message('' + i)))`,
  )
  const answers = await Promise.all(ports.map(async port => (await fetch(`http://127.0.0.1:${port}`)).text()))
  t.deepEqual(answers, ['one', 'two', '0'])
})

test('among several arguments of use a function is one of them, and has the context of its own file', t => {
  const stream = open(
    t,
    `pipy({ _got: '' }).pipeline('main')
      .use('other.js', 'go', 'text', value => _got = 'got ' + value)
      .replaceData(() => new Data(_got))`,
    { 'other.js': "pipy().pipeline('go').handleData(() => __argv[1](__argv[0]))" },
  )
  t.deepEqual(stream.feed('a').output, ['got text'])
})

test('a Session finds the file of the script by __filename', t => {
  const stream = open(
    t,
    `pipy({ _seen: '' })
      .pipeline('main').handleData(d => new Session(__filename, 'side').input(d)).replaceData(() => new Data(_seen))
      .pipeline('side').handleData(d => _seen = 'side ' + d)`,
  )
  t.deepEqual(stream.feed('a').output, ['side a'])
})

test('a head that is spread into an object gives what it says', async t => {
  const { port } = await run(
    t,
    `pipy().listen('127.0.0.1:0').serveHTTP(
      ({ head }) => new Message(JSON.encode({ ...head, from: { ...head.headers }.host, more: [...'ab'] }))
    )`,
  )
  const answer = (await (await fetch(`http://127.0.0.1:${port}/path?a`)).json()) as Record<string, unknown>
  t.deepEqual(Object.keys(answer), ['protocol', 'method', 'path', 'headers', 'from', 'more'])
  t.like(answer, { protocol: 'HTTP/1.1', method: 'GET', path: '/path?a', from: `127.0.0.1:${port}` })
})

test("a response with the request's own head is a response", async t => {
  const { ports } = await run(
    t,
    `pipy()
      .listen('127.0.0.1:0').decodeHttpRequest().replaceMessageBody(d => new Data(d + d)).encodeHttpResponse()
      .listen('127.0.0.1:0').demuxHTTP().to($ => $.replaceMessage(m => new Message({ ...m.head, status: 201 }, 'b')))
      .listen('127.0.0.1:0').demuxHTTP().to($ => $)`,
  )
  const ask = (at: number) =>
    fetch(`http://127.0.0.1:${ports[at]}/`, { method: 'POST', body: 'body', headers: { 'x-own': 'y' } })
  const [echo, copy, back] = await Promise.all([ask(0), ask(1), ask(2)])
  t.is(echo.status, 200)
  t.is(echo.headers.get('x-own'), 'y')
  t.is(await echo.text(), 'bodybody')
  t.is(copy.status, 201)
  t.is(await copy.text(), 'b')
  t.is(back.status, 200)
  t.is(await back.text(), 'body')
})

test('muxHTTP with a pipeline in front and no key keeps the connections of clients apart', async t => {
  const { ports } = await run(
    t,
    `pipy({ _target: '' })
      .listen('127.0.0.1:0').demuxHTTP('go')
      .pipeline('go').handleMessageStart(m => _target = m.head.headers['x-target']).muxHTTP('there')
      .pipeline('there').connect(() => _target)
      .listen('127.0.0.1:0').serveHTTP(() => new Message('one'))
      .listen('127.0.0.1:0').serveHTTP(() => new Message('two'))`,
  )
  const ask = async (port: unknown): Promise<string> => {
    const headers = { 'x-target': `127.0.0.1:${port}`, connection: 'close' }
    return (await fetch(`http://127.0.0.1:${ports[0]}/`, { headers })).text()
  }
  t.is(await ask(ports[1]), 'one')
  t.is(await ask(ports[2]), 'two')
})

test('outputCount of mux: 0 waits for no answer, 1 for one, in order', t => {
  const main = (count: number): string =>
    `pipy().pipeline('main').mux(() => 1, { outputCount: ${count} }).to($ => $.replaceMessage(new Message('answer')))`
  const ask = (count: number): string[] => {
    const stream = open(t, main(count))
    stream.feed(new Message('question'))
    return stream.output
  }
  t.deepEqual(ask(0), [])
  t.deepEqual(ask(1), ['<', 'answer', '>'])
  t.throws(() => open(t, main(2)), { message: /no option 'outputCount'/ })
})

test('Timeout is waited for, and can be called off', async t => {
  const program = testProgram(
    t,
    load(
      t,
      `((timeout = new Timeout('1h')) => pipy()
        .pipeline('main').replaceData(d => timeout.wait().then(() => d))
        .pipeline('off').handleData(() => timeout.cancel()))()`,
    ),
  )
  const waiting = program.open().feed('first')
  t.deepEqual(waiting.output, [])
  program.open('off').feed('now')
  await waiting.next()
  t.deepEqual(waiting.output, ['first'])
  const soon = open(t, "pipy().pipeline('main').replaceData(d => new Timeout('1ms').wait().then(() => d))")
  await soon.feed('later').next()
  t.deepEqual(soon.output, ['later'])
  t.throws(() => open(t, "new Timeout('soon'), pipy()"), { message: /Timeout wants seconds/ })
})
