/** wait and insert: what is held in front of a stream, and what is put there. */

import test from 'ava'
import { sluice } from '../../../actors/index.ts'
import { Data, Message, StreamEnd } from '../../../runtime/event.ts'
import { events, harness } from '../../support/pipeline-harness.ts'
import { runScript } from '../../support/run-script.ts'

test('wait holds events and asks again with each, until the condition holds', t => {
  let asked = 0
  const script = sluice({ isReady: false })
    .pipeline('main')
    .wait(ctx => {
      asked++
      return ctx.isReady
    })
  const session = harness(t, script).open()
  session.feed(...events('D:a', 'S', 'E'))
  t.deepEqual(session.shown, [])
  t.is(asked, 3)
  session.context.isReady = true
  session.feed(...events('D:b', 'D:c', 'X'))
  t.deepEqual(session.shown, ['D:a', 'S', 'E', 'D:b', 'D:c', 'X'])
  t.is(asked, 4)
})

test('wait asks a condition that gives a promise once, and opens when it resolves, whatever to', async t => {
  let asked = 0
  const ready = Promise.withResolvers<boolean>()
  const script = sluice()
    .pipeline('main')
    .wait(() => {
      asked++
      return ready.promise
    })
  const session = harness(t, script).open()
  session.feed(...events('D:a', 'D:b'))
  ready.resolve(false)
  await session.until(event => event.kind === 0)
  t.deepEqual(session.shown, ['D:a', 'D:b'])
  session.feed(...events('D:c'))
  t.deepEqual(session.shown, ['D:a', 'D:b', 'D:c'])
  t.is(asked, 1)
})

test('wait: a rejection, like a throw, ends this session alone', async t => {
  for (const condition of [
    () => Promise.reject(new Error('no')),
    () => {
      throw new Error('no')
    },
  ]) {
    const session = harness(t, sluice().pipeline('main').wait(condition)).open()
    session.feed(...events('D:a'))
    await session.until(event => event.kind === 3)
    t.deepEqual(session.shown, ['X:RuntimeError'])
  }
})

test('wait opens at its timeout', async t => {
  const script = sluice()
    .pipeline('main')
    .wait(() => false, { timeout: '1ms' })
  const session = harness(t, script).open()
  session.feed(...events('D:a', 'X'))
  // Deadlines of one thread share a timer that lets the process end: something has to keep it up.
  const keepUp = setInterval(() => {}, 1000)
  await session.until(event => event.kind === 3)
  clearInterval(keepUp)
  t.deepEqual(session.shown, ['D:a', 'X'])
})

test('wait pauses the source when it holds much, and lets it go on when it opens or its session ends', t => {
  const script = sluice({ isReady: false })
    .pipeline('main')
    .wait(ctx => ctx.isReady)
  const { open } = harness(t, script)
  const first = open().feed(new Data('x'.repeat(70_000)))
  t.true(first.source.isPaused)
  first.stop()
  t.false(first.source.isPaused)
  const second = open().feed(new Data('x'.repeat(70_000)))
  second.context.isReady = true
  second.feed(new Data('y'))
  t.false(second.source.isPaused)
})

test('insert puts events out once, before the first of the stream', t => {
  for (const given of [
    [new Data('hi'), new Message({ a: 1 }, 'body')],
    () => [null, new Data('hi'), new Message({ a: 1 }, 'body')],
  ]) {
    const session = harness(
      t,
      sluice()
        .pipeline('main')
        .insert(given as never),
    )
      .open()
      .feed(...events('D:', 'D:x', 'X'))
    t.deepEqual(session.shown, ['D:hi', 'S{"a":1}', 'D:body', 'E', 'D:', 'D:x', 'X'])
  }
})

test('insert of nothing inserts nothing; a callback is given the context', t => {
  const script = sluice({ name: 'ctx' })
    .pipeline('main')
    .insert(() => undefined)
    .insert(ctx => new Data(ctx.name))
  t.deepEqual(
    harness(t, script)
      .open()
      .feed(...events('D:x')).shown,
    ['D:ctx', 'D:x'],
  )
})

test('insert waits for a promise, and the stream with it', async t => {
  const banner = Promise.withResolvers<Data>()
  const script = sluice()
    .pipeline('main')
    .insert(() => banner.promise)
  const session = harness(t, script)
    .open()
    .feed(...events('D:a', 'D:b'))
  t.deepEqual(session.shown, [])
  banner.resolve(new Data('220'))
  await session.until(event => event.kind === 0)
  t.deepEqual(session.shown, ['D:220', 'D:a', 'D:b'])
})

test('insert of an end of the stream leaves nothing behind it', t => {
  const script = sluice()
    .pipeline('main')
    .insert([new Data('busy'), new StreamEnd(), new Data('never')])
    .handleStreamEnd(() => {})
  t.deepEqual(
    harness(t, script)
      .open()
      .feed(...events('D:x', 'X')).shown,
    ['D:busy', 'X'],
  )
})

test('insert refuses what is no event, at load when it is a literal', t => {
  t.throws(
    () =>
      harness(
        t,
        sluice()
          .pipeline('main')
          .insert('text' as never),
      ),
    { code: 'BadOption', message: /insert wants an event.*"text"/ },
  )
  const script = sluice()
    .pipeline('main')
    .insert((() => 'text') as never)
  t.deepEqual(
    harness(t, script)
      .open()
      .feed(...events('D:x')).shown,
    ['X:RuntimeError'],
  )
})

test('wait asks again when a sub-pipeline of the session has put something out, once a turn', t => {
  let asked = 0
  const passed: string[] = []
  const script = sluice({ shared: { user: '' } })
    .pipeline('main')
    .fork()
    .to($ =>
      $.wait(ctx => {
        asked++
        return ctx.shared.user === 'bob'
      }).handleData(data => void passed.push(data.toString())),
    )
    .pipe($ =>
      $.handleData((data, ctx) => {
        ctx.shared.user += data.toString()
      }),
    )
  const { open } = harness(t, script)
  const session = open().feed(...events('D:b'))
  t.is(asked, 2, 'with the event, and behind what came out of the other pipeline')
  session.feed(...events('D:', 'D:o'))
  t.is(asked, 5, 'with each event, and once at the end of the turn')
  t.deepEqual(passed, [])
  session.feed(...events('D:b'))
  t.is(asked, 7)
  t.deepEqual(passed, ['b', 'o', 'b'])
  session.feed(...events('D:c'))
  t.is(asked, 7)
  t.is(session.waits, null, 'nothing waits, so nothing has to be told')
})

test('an answer to another request lets a stream go on that waits for it', async t => {
  const { port: authPort } = await runScript(t, sluice().listen('127.0.0.1:0').serveHTTP(new Message('yes')))
  const script = sluice({ state: null as { isAllowed?: boolean } | null })
    .listen('127.0.0.1:0')
    .demuxHTTP()
    .to($ =>
      $.handleMessageStart((_, ctx) => {
        ctx.state = {}
      })
        .fork()
        .to($ =>
          $.muxHTTP(() => 'auth')
            .to($ => $.connect(`127.0.0.1:${authPort}`))
            .handleMessage((answer, ctx) => {
              if (ctx.state !== null) ctx.state.isAllowed = answer.body?.toString() === 'yes'
            }),
        )
        .wait(ctx => ctx.state?.isAllowed !== undefined)
        .replaceMessage((_, ctx) => new Message(`allowed: ${ctx.state?.isAllowed}`)),
    )
  const { port } = await runScript(t, script)
  const answer = await fetch(`http://127.0.0.1:${port}/`)
  t.is(await answer.text(), 'allowed: true')
})
