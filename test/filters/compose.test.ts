/** Filters that send a stream through other pipelines. */

import test from 'ava'
import { Data, Hub, Message, MessageStart, StreamEnd, sluice } from '../../actors/index.ts'
import { messageEnd } from '../../runtime/event.ts'
import { openStream, testProgram } from '../support/stream.ts'

const upper = (data: Data): Data => new Data(data.toString().toUpperCase())

test('pipe sends the stream through another pipeline, and what comes out goes on', t => {
  const script = sluice()
    .pipeline('main')
    .pipe('shout')
    .replaceData(data => new Data(`<${data}>`))
    .pipeline('shout')
    .replaceData(upper)
  t.deepEqual(openStream(t, script).feed('a', 'b').end().output, ['<A><B>', '|'])
})

test('pipe takes a pipeline written on the spot, and nothing as straight on', t => {
  const script = sluice()
    .pipeline('main')
    .pipe($ => $.replaceData(upper))
    .pipe('')
  t.deepEqual(openStream(t, script).feed('a').output, ['A'])
})

test('pipe asks its callback with each event until it chooses, and keeps the order', t => {
  const script = sluice({ to: null as string | null })
    .pipeline('main')
    .pipe({
      choose: (event, ctx) => (event.type === 'Data' && event.toString() === 'go' ? 'shout' : ctx.to),
    })
    .pipeline('shout')
    .replaceData(upper)
  const stream = openStream(t, script).feed('a', 'b')
  t.deepEqual(stream.output, [])
  t.deepEqual(stream.feed('go', 'c').output, ['ABGOC'])
})

test('pipe drops what it held when the stream ends before the callback has chosen', t => {
  const script = sluice()
    .pipeline('main')
    .pipe({ choose: () => null })
  t.deepEqual(openStream(t, script).feed('a').end().output, ['|'])
})

test('pipe fails the stream when its callback names what is not there', t => {
  const script = sluice()
    .pipeline('main')
    .pipe({ choose: () => 'nowhere' })
  t.deepEqual(openStream(t, script).feed('a').output, ['|UnknownPipeline'])
})

test('a chain goes from pipeline to pipeline by pipeNext, and back through each', t => {
  const around = (mark: string) => (data: Data) => new Data(`${mark}${data}${mark}`)
  const script = sluice()
    .pipeline('main')
    .pipe(['one', 'two', $ => $.replaceData(around('3')).pipeNext()])
    .pipeline('one')
    .replaceData(around('1'))
    .pipeNext()
    .replaceData(around('-'))
    .pipeline('two')
    .replaceData(around('2'))
    .chain()
    .replaceData(around('='))
  t.deepEqual(openStream(t, script).feed('x').end().output, ['-=321x123=-', '|'])
})

test('a chain is known in the sub-pipelines of its pipelines, and one without pipeNext ends it', t => {
  const script = sluice()
    .pipeline('main')
    .chain(['per message', 'end', 'never'])
    .pipeline('per message')
    .demux()
    .to($ => $.pipeNext())
    .pipeline('end')
    .replaceMessageBody(() => new Data('end'))
    .pipeline('never')
    .replaceMessageBody(() => new Data('never'))
  t.deepEqual(openStream(t, script).feed(new Message('a'), new Message('b')).output, [
    '<',
    'end',
    '>',
    '<',
    'end',
    '>',
  ])
})

test('pipeNext outside of a chain passes events on', t => {
  t.deepEqual(openStream(t, sluice().pipeline('main').pipeNext()).feed('a').end().output, ['a', '|'])
})

test('branchMessageStart sends the stream where its first fitting head says, for good', t => {
  const script = sluice()
    .pipeline('main')
    .branchMessageStart(
      start => (start.head as { n: number }).n === 2,
      $ => $.replaceMessageBody(() => new Data('two')),
      start => (start.head as { n: number }).n === 3,
      'three',
    )
    .pipeline('three')
    .replaceMessageBody(() => new Data('three'))
  const stream = openStream(t, script).feed(new Message({ n: 1 }, 'x'))
  t.deepEqual(stream.output, [])
  stream.feed(new Message({ n: 2 }, 'y'), new Message({ n: 3 }, 'z'))
  t.deepEqual(stream.output, ['<', 'two', '>', '<', 'two', '>', '<', 'two', '>'])
})

test('branchMessage waits for the whole message, and takes the last target when nothing holds', t => {
  const script = sluice()
    .pipeline('main')
    .branchMessage(
      message => message.body?.toString() === 'ping',
      $ => $.replaceMessage(new Message('pong')),
      '',
    )
  const stream = openStream(t, script).feed(new MessageStart(), 'pi')
  t.deepEqual(stream.output, [])
  t.deepEqual(stream.feed('ng', messageEnd).output, ['<', 'pong', '>'])
  t.deepEqual(openStream(t, script).feed(new Message('other')).end().output, ['<', 'other', '>', '|'])
})

test('branchMessage that never decides passes the end of the stream and nothing else', t => {
  const script = sluice()
    .pipeline('main')
    .branchMessage(() => false, 'x')
    .pipeline('x')
  t.deepEqual(openStream(t, script).feed(new MessageStart(), 'a').end('ReadError').output, ['|ReadError'])
})

test('loop gives what comes out back in, until nothing does', t => {
  const script = sluice()
    .pipeline('main')
    .loop()
    .to($ => $.replaceData(data => (data.size > 1 ? new Data(data.toString().slice(1)) : undefined)))
  t.deepEqual(openStream(t, script).feed('abcd').end().output, ['bcdcdd', '|'])
})

test('repeat gives the whole stream to a new pipeline while its condition holds', async t => {
  let tries = 0
  const script = sluice({ seen: '' })
    .pipeline('main')
    .repeat(end => end.error === 'ConnectionRefused' && tries < 3)
    .to($ =>
      $.handleData((data, ctx) => {
        ctx.seen += data
      }).replaceStreamEnd(() => new StreamEnd(++tries < 3 ? 'ConnectionRefused' : '')),
    )
  const stream = openStream(t, script).feed('a', 'b').end()
  t.is((await stream.ended()).error, '')
  t.is(tries, 3)
  t.is(stream.context.seen, 'ababab', 'the context is shared')
  t.is(stream.text, 'ababab')
})

test('repeat waits for a promise of its condition, and passes the end on when that is false', async t => {
  const script = sluice()
    .pipeline('main')
    .repeat(async () => false)
    .to($ => $.dummy())
  const stream = openStream(t, script).feed('a').end('ReadTimeout')
  t.is((await stream.ended()).error, 'ReadTimeout')
})

test('repeat fails the stream when its condition is rejected', async t => {
  const script = sluice()
    .pipeline('main')
    .repeat(() => Promise.reject(new Error('no')))
    .to($ => $.dummy())
  t.is((await openStream(t, script).end().ended()).error, 'RuntimeError')
})

test('repeat does not try again what it could not keep', t => {
  const script = sluice()
    .pipeline('main')
    .repeat(() => true, { bufferLimit: 100 })
    .to($ => $.dummy())
  t.deepEqual(openStream(t, script).feed('x'.repeat(200)).end('ReadError').output, ['|ReadError'])
})

test('a closed stream is not repeated', async t => {
  let starts = 0
  const script = sluice()
    .pipeline('main')
    .repeat(() => true)
    .to($ =>
      $.handleStreamStart(() => {
        starts++
      }).dummy(),
    )
  const stream = openStream(t, script).end()
  stream.close()
  await new Promise(resolve => setTimeout(resolve, 10))
  t.is(starts, 1)
})

test('replay tries again after Replay, and after nothing else', async t => {
  let tries = 0
  const script = sluice()
    .pipeline('main')
    .replay({ delay: '1ms' })
    .to($ => $.replaceStreamEnd(() => new StreamEnd(++tries < 3 ? 'Replay' : 'ReadError')))
  const stream = openStream(t, script).end()
  t.is((await stream.ended()).error, 'ReadError')
  t.is(tries, 3)
})

test('forkJoin holds the stream until every branch has ended', t => {
  const release: (() => void)[] = []
  const script = sluice({ n: 0 })
    .pipeline('main')
    .forkJoin([{ n: 1 }, { n: 2 }])
    .to($ =>
      $.replaceMessageEnd((_, ctx) => {
        ctx.n += 10
        return new Promise(resolve => release.push(() => resolve(new StreamEnd())))
      }),
    )
  const stream = openStream(t, script).feed(new Message('a'))
  t.deepEqual(stream.output, [])
  t.is(release.length, 2)
  t.is(stream.context.n, 0, 'contexts are copies')
})

test('forkJoin goes on when the last branch has ended, an empty array at once', async t => {
  const script = sluice({ n: 0 })
    .pipeline('main')
    .forkJoin(() => [{ n: 1 }, { n: 2 }])
    .to($ => $.replaceMessageEnd(async () => new StreamEnd()))
  const stream = openStream(t, script).feed(new Message('a'), 'more')
  await stream.next(event => event.kind === 2)
  t.deepEqual(stream.feed('x').output, ['<', 'a', '>', 'morex'])
  const none = sluice()
    .pipeline('main')
    .forkJoin([])
    .to($ => $.dummy())
  t.deepEqual(openStream(t, none).feed('a').end().output, ['a', '|'])
})

test('forkJoin ends the stream when more waits than may', t => {
  const script = sluice()
    .pipeline('main')
    .forkJoin(undefined, { bufferLimit: 100 })
    .to($ => $.replaceData(() => undefined))
  t.deepEqual(openStream(t, script).feed('x'.repeat(101)).output, ['|BufferOverflow'])
})

test('forkRace puts out the answer of the branch that is first, and stops the others', async t => {
  const script = sluice({ name: '', waits: undefined as Promise<void> | undefined })
    .pipeline('main')
    .forkRace([
      { name: 'slow', waits: new Promise<void>(() => {}) },
      { name: 'fast', waits: Promise.resolve() },
    ])
    .to($ =>
      $.replaceMessageBody(async (_, ctx) => {
        await ctx.waits
        return new Data(ctx.name)
      }).wait(() => true),
    )
  // A head is put out at once: the race is for the first event.
  t.deepEqual(openStream(t, script).feed(new Message('a')).output, ['<'])
  const whole = sluice({ name: '', waits: undefined as Promise<void> | undefined })
    .pipeline('main')
    .forkRace([
      { name: 'slow', waits: new Promise<void>(() => {}) },
      { name: 'fast', waits: Promise.resolve() },
    ])
    .to($ =>
      $.replaceMessage(async (_, ctx) => {
        await ctx.waits
        return new Message(ctx.name)
      }),
    )
  const stream = openStream(t, whole).feed(new Message('a'))
  await stream.next(event => event.kind === 2)
  t.deepEqual(stream.output, ['<', 'fast', '>'])
})

test('a branch that fails without a word loses the race, unless it is the last', async t => {
  const race = (inits: { fails: boolean }[]): ReturnType<typeof openStream> =>
    openStream(
      t,
      sluice({ fails: false })
        .pipeline('main')
        .forkRace(inits)
        .to($ =>
          $.replaceMessage((_, ctx) => (ctx.fails ? new StreamEnd('ConnectionRefused') : new Message('ok'))),
        ),
    ).feed(new Message('a'))
  t.deepEqual(race([{ fails: true }, { fails: false }]).output, ['<', 'ok', '>'])
  t.deepEqual(race([{ fails: true }, { fails: true }]).output, ['|ConnectionRefused'])
})

test('swap gives what comes in to all other streams of the hub', t => {
  const hub = new Hub()
  const { open } = testProgram(t, sluice().pipeline('main').swap(hub))
  const [one, two, three] = [open().feed(''), open().feed(''), open().feed('')]
  one.feed('hi')
  t.deepEqual([one.output, two.output, three.output], [[], ['hi'], ['hi']])
  t.deepEqual(two.end().output, ['hi', '|'])
  one.feed('!')
  three.close()
  t.is(hub.size, 1)
  t.deepEqual([two.output, three.output], [['hi', '|'], ['hi!']])
})

test('swap fails a stream whose callback gives no hub', t => {
  const script = sluice()
    .pipeline('main')
    .swap(() => undefined as never)
  t.deepEqual(openStream(t, script).feed('a').output, ['|RuntimeError'])
})

test('merge copies whole messages of all streams into one, and passes them on at once', t => {
  const seen: string[] = []
  const { open, program } = testProgram(
    t,
    sluice()
      .pipeline('main')
      .merge()
      .to($ =>
        $.handleMessage(message => {
          seen.push(`${message.body}`)
        }),
      ),
  )
  const [one, two] = [open(), open()]
  one.feed(new MessageStart(), 'a')
  two.feed(new Message('b'))
  t.deepEqual(seen, ['b'])
  t.deepEqual(one.output, ['<', 'a'])
  one.feed('a', messageEnd)
  t.deepEqual(seen, ['b', 'aa'])
  t.deepEqual(two.output, ['<', 'b', '>'])
  t.true(program.edges.every(edge => edge.isBalanced))
})

test('merge has one pipeline per key, with a copy of the context', t => {
  const seen: string[] = []
  const { open } = testProgram(
    t,
    sluice({ key: '', count: 0 })
      .pipeline('main')
      .handleMessage((message, ctx) => {
        ctx.key = `${message.body}`
      })
      .merge(ctx => ctx.key)
      .to($ =>
        $.handleMessage((message, ctx) => {
          seen.push(`${message.body}${++ctx.count}`)
        }),
      ),
  )
  for (const text of ['a', 'b', 'a']) open().feed(new Message(text))
  t.deepEqual(seen, ['a1', 'b1', 'a2'])
})

test('a merged pipeline that fails is replaced for the next message', t => {
  let count = 0
  const { open, program } = testProgram(
    t,
    sluice()
      .pipeline('main')
      .merge()
      .to($ =>
        $.handleMessage(() => {
          if (++count === 1) throw new Error('first')
        }),
      ),
  )
  const stream = open().feed(new Message('a'), new Message('b'))
  t.is(count, 2)
  t.deepEqual(stream.output, ['<', 'a', '>', '<', 'b', '>'])
  t.true(program.edges.every(edge => edge.isBalanced))
})

test('draining ends a merged pipeline when the last stream has gone', async t => {
  let ended = false
  const { open, program } = testProgram(
    t,
    sluice()
      .pipeline('main')
      .merge()
      .to($ =>
        $.handleStreamEnd(() => {
          ended = true
        }),
      ),
  )
  const stream = open().feed(new Message('a'))
  const drained = program.drain()
  t.false(ended)
  stream.close()
  await drained
  t.true(ended)
})

test('filters that need a pipeline, a callback or a hub say so when the script is loaded', t => {
  const load = (script: unknown) => (): unknown => testProgram(t, script)
  t.throws(load(sluice().pipeline('main').loop()), { message: /loop wants a pipeline/ })
  t.throws(load(sluice().pipeline('main').pipe('x')), { code: 'UnknownPipeline' })
  t.throws(
    load(
      sluice()
        .pipeline('main')
        .chain('x' as never),
    ),
    { message: /chain wants an array/ },
  )
  t.throws(
    load(
      sluice()
        .pipeline('main')
        .swap(1 as never),
    ),
    { message: /swap wants a Hub/ },
  )
  t.throws(
    load(
      sluice()
        .pipeline('main')
        .repeat(1 as never)
        .to($ => $.dummy()),
    ),
    { message: /repeat wants a condition/ },
  )
})

test('loop does not send a flush round and round', t => {
  const script = sluice()
    .pipeline('main')
    .loop()
    .to($ => $.replaceData(data => (data.size > 1 ? data.shift(1) : undefined)))
  t.deepEqual(openStream(t, script).feed(new Data(), 'ab', new Data()).end().output, ['a', '|'])
})
