/** onStart and onEnd: what a pipeline is started with, and what is done when it is over. */

import test from 'ava'
import { Data, Message, MessageStart, type Pipeline, pipeline, sluice } from '../../actors/index.ts'
import { messageEnd } from '../../runtime/event.ts'
import { runScript } from '../support/run-script.ts'
import { openStream, testProgram } from '../support/stream.ts'
import { TcpClient } from '../support/tcp-client.ts'

const text = (...values: unknown[]): Data => new Data(values.map(String).join(','))

test('onStart puts events in front of the stream once, wherever it is written', t => {
  const stream = openStream(
    t,
    sluice({ name: 'ctx' })
      .pipeline('main')
      .replaceData(data => new Data(`<${data}>`))
      .onStart(ctx => [new Data(ctx.name), new Data('!')]),
  )
  t.deepEqual(stream.feed('a', 'b').end().output, ['<ctx><!><a><b>', '|'])
  t.deepEqual(openStream(t, sluice().pipeline('main').onStart(new Message('hi'))).end().output, [
    '<',
    'hi',
    '>',
    '|',
  ])
  t.deepEqual(
    openStream(
      t,
      sluice()
        .pipeline('main')
        .onStart(() => {}),
    ).feed('a').output,
    ['a'],
  )
  t.throws(
    () =>
      openStream(
        t,
        sluice()
          .pipeline('main')
          .onStart(7 as never),
      ),
    { message: /onStart wants an event/ },
  )
})

test('events wait for a promise that onStart gives', async t => {
  const { promise, resolve } = Promise.withResolvers<Data>()
  const stream = openStream(
    t,
    sluice()
      .pipeline('main')
      .onStart(() => promise),
  )
    .feed('b')
    .end()
  t.deepEqual(stream.output, [])
  resolve(new Data('a'))
  await stream.ended()
  t.deepEqual(stream.output, ['ab', '|'])
})

test('pipe and pipeNext start the next pipeline with arguments, given or called for, else those of the chain', t => {
  const script = sluice({ n: 1 })
    .pipeline('main')
    .pipe(
      [
        $ => $.onStart((a, b) => text('first', a, b)).pipeNext((event, ctx) => [event.type, ctx.n]),
        $ => $.onStart((a, b, ctx) => text(' second', a, b, ctx.n)).pipeNext(),
        $ => $.onStart((...given) => text(' third', given.length)),
      ],
      ['x', 'y'],
    )
  t.deepEqual(openStream(t, script).feed(new MessageStart()).output.slice(0, 2), [
    ' third,3 second,Data,1,1first,x,y',
    '<',
  ])
  const { open, logs } = testProgram(
    t,
    sluice()
      .pipeline('main')
      .pipe('other', () => 7 as never)
      .pipeline('other'),
  )
  t.deepEqual(open().feed('a').output, ['|RuntimeError'])
  t.regex(logs[0]?.message ?? '', /an array of arguments from its callback, and got 7/)
  t.throws(
    () =>
      openStream(
        t,
        sluice()
          .pipeline('main')
          .pipe('main', 7 as never),
      ),
    { message: /array of arguments/ },
  )
})

test('branches of a fork are started with the element and its index, however they are made', t => {
  const seen: unknown[] = []
  const note =
    (what: string) =>
    (...given: unknown[]): void =>
      void seen.push([what, ...given.slice(0, -1)])
  const values = [{ id: 1 }, { id: 2 }]
  const script = sluice({ id: 0 })
    .pipeline('main')
    .fork(values)
    .to($ => $.onStart(note('fork')))
    .fork()
    .to($ => $.onStart(note('plain')))
    .forkJoin(() => values)
    .to($ => $.onStart(note('join')).replaceStreamEnd())
    .forkRace(values)
    .to($ => $.onStart(note('race')))
  openStream(t, script).feed('a')
  t.deepEqual(seen, [
    ['fork', values[0], 0],
    ['fork', values[1], 1],
    ['plain'],
    ['join', values[0], 0],
    ['join', values[1], 1],
  ])
})

test('shared sessions are started with their key, and the pipeline of a listener with its inbound', async t => {
  const seen: unknown[] = []
  const { port } = await runScript(
    t,
    sluice()
      .listen('127.0.0.1:0')
      .onStart((inbound, ctx) => {
        seen.push(inbound === ctx.__inbound)
      })
      .demuxHTTP()
      .to($ =>
        $.muxQueue(() => 'queue').to($ =>
          $.onStart(key => void seen.push(key))
            .muxHTTP(() => 'http')
            .to($ => $.onStart(key => void seen.push(key)).serveHTTP(new Message('ok'))),
        ),
      ),
  )
  const client = await TcpClient.connect(port)
  t.teardown(() => client.destroy())
  client.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
  await client.read(/ok$/)
  t.deepEqual(seen, [true, 'queue', 'http'])
})

test('onEnd calls back once: at the end of the stream, or when the pipeline stops before', t => {
  const ends: string[] = []
  const script = sluice({ name: '' })
    .pipeline('main')
    .onEnd(ctx => ends.push(`${ctx.name} outer`))
    .demux()
    .to($ => $.onEnd(ctx => ends.push(`${ctx.name} inner`)).replaceMessage(new Message('ok')))
  const stream = openStream(t, script)
  stream.context.name = 'a'
  stream.feed(new MessageStart(), messageEnd)
  stream.end()
  t.deepEqual(ends.sort(), ['a inner', 'a outer'])
  stream.close()
  t.is(ends.length, 2)
  const other = openStream(t, script).feed(new MessageStart())
  other.close()
  t.deepEqual(ends.slice(2).sort(), [' inner', ' outer'])
})

test('a pipeline written once stands in many places, by value, and may refer to itself', t => {
  const count: Pipeline = pipeline($ =>
    $.handleData(data => void data.push('.')).pipe({
      choose: event => (String(event).length < 5 ? count : ''),
    }),
  )
  const shout = pipeline<{ n: number }>($ => $.replaceData((data, ctx) => new Data(`${data}${++ctx.n}`)))
  const script = sluice({ n: 0 })
    .pipeline('main')
    .pipe(shout)
    .pipe([shout, shout])
    .branch(
      () => true,
      $ => $.pipe(count),
    )
    .fork()
    .to(shout)
    .pipe({ choose: event => (event.type === 'Data' ? [shout, $ => $.dummy()] : undefined) })
  t.deepEqual(openStream(t, script).feed('a').end().output, ['a12..4', '|'])
  t.throws(() => pipeline(7 as never), { message: /pipeline\(\) wants \$ => \$…, and got 7/ })
})

test('what is wrong with a pipeline that a callback chooses is told where it is chosen', t => {
  const { open, logs } = testProgram(
    t,
    sluice()
      .pipeline('main')
      .pipe({ choose: event => (event.type === 'Data' ? String(event) : undefined) })
      .pipeline('good'),
  )
  t.deepEqual(open().feed('good').output, ['good'])
  t.deepEqual(open().feed('god').output, ['|UnknownPipeline'])
  const endless = testProgram(
    t,
    sluice()
      .pipeline('main')
      .pipe({ choose: () => $ => $.replaceData(new Data('x')) }),
  )
  for (let i = 0; i < 1000; i++) endless.open().feed('a')
  t.deepEqual(endless.open().feed('a').output, ['|RuntimeError'])
  t.regex(endless.logs[0]?.message ?? '', /write each once, with pipeline/)
  t.is(logs.length, 1)
})
