/** Who sees whose variables, filter by filter, as in Pipy. */

import test from 'ava'
import { sluice } from '../../../actors/index.ts'
import { type Event, Message } from '../../../runtime/event.ts'
import { events, harness, type TestSession } from '../../support/pipeline-harness.ts'

interface Vars {
  n: number
  list: string[]
}

const begin = () => sluice<Vars>({ n: 0, list: [] }).pipeline('main')
type Begun = ReturnType<typeof begin>

/** What a sub-pipeline does: notes what it sees, and changes it. */
type Sub = ($: Begun) => unknown

interface Row {
  /** How the context of the sub-pipeline relates to that of the stream. */
  readonly context: 'shared' | 'cloned'
  readonly build: (begun: Begun, sub: Sub) => unknown
}

const rows: Record<string, Row> = {
  link: { context: 'shared', build: ($, sub) => sub(asStage($.link('sub').pipeline('sub'))) },
  branch: { context: 'shared', build: ($, sub) => $.branch(() => true, sub as never) },
  'fork without initial values': { context: 'shared', build: ($, sub) => $.fork().to(sub as never) },
  'fork with an object': { context: 'cloned', build: ($, sub) => $.fork({}).to(sub as never) },
  'fork with an array': { context: 'cloned', build: ($, sub) => $.fork([{}]).to(sub as never) },
  'fork with a callback': { context: 'cloned', build: ($, sub) => $.fork(() => ({})).to(sub as never) },
  demux: { context: 'cloned', build: ($, sub) => $.demux().to(sub as never) },
  demuxQueue: { context: 'cloned', build: ($, sub) => $.demuxQueue().to(sub as never) },
  mux: { context: 'cloned', build: ($, sub) => $.mux(() => 'k').to(sub as never) },
  muxQueue: { context: 'cloned', build: ($, sub) => $.muxQueue(() => 'k').to(sub as never) },
}

const asStage = (stage: unknown): Begun => stage as Begun

for (const [name, { context, build }] of Object.entries(rows)) {
  test(`${name}: the context is ${context}`, t => {
    const seen: number[] = []
    const script = build(begin(), $ =>
      $.handleMessageStart((_start, ctx) => {
        seen.push(ctx.n)
        ctx.n = 7
        ctx.list.push('from below')
      }),
    )
    const session = harness(t, script).open()
    session.context.n = 1
    session.context.list = []
    session.feed(...events('S', 'E'))
    t.deepEqual(seen, [1], 'it begins with the values of that moment')
    t.is(session.context.n, context === 'shared' ? 7 : 1)
    t.deepEqual(session.context.list, ['from below'], 'values are copied, not what they refer to')
  })
}

test('demux: messages of one stream do not see each other', t => {
  const seen: number[] = []
  const script = begin()
    .demuxQueue()
    .to($ =>
      $.handleMessageStart((_start, ctx) => {
        seen.push(ctx.n++)
      }),
    )
  harness(t, script)
    .open()
    .feed(...events('S', 'E', 'S', 'E', 'S', 'E'))
  t.deepEqual(seen, [0, 0, 0])
})

test('a shared session of mux keeps the context of the one who opened it', t => {
  const seen: number[] = []
  const script = begin()
    .muxQueue(() => 'k')
    .to($ => $.handleMessageStart((_start, ctx) => void seen.push(ctx.n++)))
  const { open } = harness(t, script)
  const send = (n: number): TestSession => {
    const session = open()
    session.context.n = n
    return session.feed(...events('S', 'E'))
  }
  send(5)
  send(9)
  t.deepEqual(seen, [5, 6])
})

test('each session has its own variables; objects among the initial values are shared by all', t => {
  const script = begin().handleData((data, ctx) => {
    ctx.n++
    ctx.list.push(data.toString())
  })
  const { open } = harness(t, script)
  const a = open().feed(...events('D:a', 'D:b'))
  const b = open().feed(...events('D:c'))
  t.is(a.context.n, 2)
  t.is(b.context.n, 1)
  t.is(a.context.list, b.context.list)
  t.deepEqual(b.context.list, ['a', 'b', 'c'])
})

test('built-in variables are there in every context, copies too', t => {
  const seen: unknown[] = []
  const script = begin()
    .demux()
    .to($ =>
      $.replaceMessage((_message, ctx) => {
        seen.push([ctx.__inbound, ctx.__thread, ctx.__filename])
        return new Message()
      }),
    )
  harness(t, script)
    .open()
    .feed(...events('S', 'E'))
  t.deepEqual(seen, [[undefined, { id: 0, concurrency: 1 }, 'test.ts']])
})

test('a sub-pipeline of a sub-pipeline shares or copies by the same rules', t => {
  const script = begin()
    .demuxQueue()
    .to($ =>
      $.branch(
        () => true,
        $ =>
          $.handleMessageStart((_start, ctx) => {
            ctx.n = 5
          })
            .fork({ n: 9 })
            .to($ => $.handleMessageStart((_start, ctx) => void ctx.n++)),
      ).replaceMessage((_message: Message, ctx) => new Message(String((ctx as unknown as Vars).n))),
    )
  const session = harness(t, script)
    .open()
    .feed(...events('S', 'E'))
  t.deepEqual(session.shown, ['S', 'D:5', 'E'])
  t.is(session.context.n, 0)
})

test('what a callback gets is the very context of its pipeline', t => {
  const contexts: object[] = []
  const script = begin()
    .handle((_event: Event, ctx) => void contexts.push(ctx))
    .link('sub')
    .pipeline('sub')
    .handle((_event: Event, ctx) => void contexts.push(ctx))
  const session = harness(t, script)
    .open()
    .feed(...events('D:a'))
  t.deepEqual(contexts.length, 2)
  t.true(contexts.every(context => context === session.context))
})
