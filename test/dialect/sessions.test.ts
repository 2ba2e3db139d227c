/** `new Session(file, pipeline)` of Pipy's first generation: a pipeline that a callback runs itself. */

import type { ExecutionContext } from 'ava'
import ava from 'ava'
import { loadFirstGeneration } from '../support/dialect.ts'
import { type TestProgram, testProgram } from '../support/stream.ts'

// Which script's folder names of files are relative to is known to the thread: one after the other.
const test = ava.serial

const load = (t: ExecutionContext, files: Readonly<Record<string, string>>): TestProgram =>
  testProgram(t, loadFirstGeneration(t, files))

test('a session runs a pipeline of the same file, in the context of the callback', t => {
  const { open } = load(t, {
    'main.js': `
      pipy({ _seen: [], _session: null })
      .pipeline('main')
        .onSessionStart(() => (_seen = [], _session = new Session('main.js', 'side')))
        .onData(d => _session.input(d))
        .onSessionEnd(() => _session.input(new Message('whole'), [new Data('x'), new SessionEnd]))
        .replaceData(() => new Data(JSON.stringify([_seen, _session.done])))
      .pipeline('side')
        .onData(d => _seen.push(d.toString()))
        .onMessage(m => _seen.push('[' + m.body + ']'))`,
  })
  const stream = open()
  stream.feed('a', 'b')
  t.deepEqual(stream.output, ['[["a"],false][["a","b"],false]'])
  stream.end()
  t.deepEqual(stream.context._seen, ['a', 'b', 'whole', '[whole]', 'x'])
  t.true((stream.context._session as { done: boolean }).done)
})

test('a session may run a pipeline of a file that the script uses, and no other', t => {
  const { open, logs } = load(t, {
    'main.js': `
      pipy({ _what: '' })
      .import({ __out: 'log' })
      .pipeline('main')
        .use('log.js', 'none')
        .onData(d => (_what = d.toString().split(' '), new Session(_what[0], _what[1]).input(d)))
        .replaceData(() => new Data(__out))`,
    'log.js':
      "pipy().export('log', { __out: '' }).pipeline('none').pipeline('log').onData(d => __out += d + ';')",
    'other.js': "pipy().pipeline('log').dummy()",
  })
  t.deepEqual(open().feed('log.js log').output, ['log.js log;'])
  t.deepEqual(open().feed('/log.js log').output, ['/log.js log;'])
  t.deepEqual(open().feed('other.js log').output, ['|RuntimeError'])
  t.regex(logs.at(-1)?.message ?? '', /finds no module 'other.js'/)
  t.deepEqual(open().feed('log.js nothing').output, ['|UnknownPipeline'])
})

test('what is no event ends the session that feeds it, and a session outside of a callback is refused', t => {
  const { open, logs } = load(t, {
    'main.js':
      "pipy().pipeline('main').onData(() => new Session('main.js', 'side').input(7)).pipeline('side')",
  })
  t.deepEqual(open().feed('a').output, ['|RuntimeError'])
  t.regex(logs.at(-1)?.message ?? '', /a replacement must be an event/)
  t.throws(() => load(t, { 'main.js': "new Session('main.js', 'x'), pipy()" }), {
    message: /outside of a callback/,
  })
})

test('sessions that are open when the traffic is over get the end of their stream, and are waited for', async t => {
  const { open, program } = load(t, {
    'main.js': `
      pipy({ _log: null, _all: [] })
      .pipeline('main').onData(d => (_log ??= new Session('main.js', 'log')).input(d))
      .pipeline('log').onData(d => _all.push('' + d)).onSessionEnd(() => new Promise(f => _all.push(f)))`,
  })
  const stream = open().feed('a')
  const all = stream.context._all as (string | (() => void))[]
  let isDone = false
  const drained = program.drain().then(() => {
    isDone = true
  })
  stream.feed('b')
  t.deepEqual(all, ['a', 'b'])
  stream.close()
  await new Promise(setImmediate)
  t.is(all.length, 3)
  t.false(isDone)
  ;(all[2] as () => void)()
  await drained
  t.true(isDone)
})
