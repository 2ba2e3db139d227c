/**
 * The ledger of every edge balances at any moment, whatever the traffic, the branches and the script do: it is looked
 * at in every callback and after every step of random histories.
 */

import test from 'ava'
import fc from 'fast-check'
import { sluice } from '../../actors/index.ts'
import { Data, type Event, Message, StreamEnd } from '../../runtime/event.ts'
import { type Source, turn } from '../../runtime/turn.ts'
import { events, type Harness, harness, type TestSession } from '../support/pipeline-harness.ts'

/** What a callback does when it is asked. */
const behaviours = [
  'pass',
  'pass',
  'pass',
  'pause',
  'throw',
  'end',
  'promise',
  'reject',
  'two',
  'nothing',
] as const
type Behaviour = (typeof behaviours)[number]

const steps = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant('feed' as const),
      session: fc.nat(3),
      events: fc.array(fc.constantFrom('S', 'D:x', `D:${'y'.repeat(200)}`, 'E', 'S', 'E', 'D:'), {
        minLength: 1,
        maxLength: 8,
      }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('resume' as const), which: fc.nat(9) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('settle' as const), which: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('end' as const), session: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('stop' as const), session: fc.nat(3) }) },
)

interface World {
  readonly run: Harness
  readonly check: (when: string) => void
  readonly paused: Source[]
  readonly promises: { settle(): void }[]
}

/** All edges of a script that has one of each kind, with callbacks that behave as `next` says. */
function build(t: Parameters<typeof harness>[0], next: () => Behaviour): World {
  const paused: Source[] = []
  const promises: { settle(): void }[] = []
  const broken: string[] = []
  const check = (when: string): void => {
    for (const edge of run.program.edges)
      if (!edge.isBalanced) broken.push(`${when}: ${JSON.stringify(edge.row())}`)
    if (broken.length > 0) throw new Error(broken.join('\n'))
  }
  /** What a callback that may answer with a message gives. */
  const behave = (subject: Event | Message): unknown => {
    check('in a callback')
    const behaviour = next()
    switch (behaviour) {
      case 'pause':
        if (turn.source !== null) {
          turn.source.pause()
          paused.push(turn.source)
        }
        return subject
      case 'throw':
        throw new Error('thrown')
      case 'end':
        return new StreamEnd('ReadError')
      case 'promise':
      case 'reject': {
        const { promise, resolve, reject } = Promise.withResolvers<unknown>()
        promises.push({
          settle: () => (behaviour === 'promise' ? resolve(subject) : reject(new Error('rejected'))),
        })
        return promise
      }
      case 'two':
        return [subject, new Data('more'), new Message('another')]
      case 'nothing':
        return undefined
      case 'pass':
        return subject
    }
  }
  const observe = (event: Event): unknown => {
    const given = behave(event)
    // Only what takes time or fails matters here: a handler's value is ignored.
    return given instanceof Promise ? given : undefined
  }
  const script = sluice({ way: 0 })
    .pipeline('main')
    .fork(undefined, { policy: 'drop', window: 600, maxBranches: 3 })
    .to('observed')
    .fork([{ way: 1 }, { way: 2 }], { policy: 'block' })
    .to('observed')
    .fork(undefined, { policy: 'drop' })
    .to('shared')
    .fork(undefined, { policy: 'block' })
    .to('shared')
    .wait(ctx => ctx.way > 0)
    .link('one', ctx => ctx.way % 2 === 1, 'two')
    .pipeline('one')
    .demux()
    .to($ => $.replaceMessage(message => behave(message) as Message))
    .pipeline('two')
    .demuxQueue()
    .to($ =>
      $.fork()
        .to($ => $.muxQueue(() => 'k', { maxSessions: 1, maxQueue: 4 }).to('answer'))
        .branch(
          () => true,
          $ => $.mux(() => 'k', { messageKey: () => 1, maxSessions: 2 }).to('answer'),
        ),
    )
    .pipeline('answer')
    .replaceMessage(message => behave(message) as Message)
    .pipeline('observed')
    .handle(event => observe(event))
    .pipeline('shared', { placement: 'node' })
    .handle(event => observe(event))
  const run = harness(t, script as unknown)
  return { run, check, paused, promises }
}

test('for fork, link, mux and demux, with branches that are slow, fail, end, wait and stop', async t => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(steps, { minLength: 1, maxLength: 60 }),
      fc.array(fc.constantFrom(...behaviours), { minLength: 1, maxLength: 40 }),
      async (history, script) => {
        let asked = 0
        const { run, check, paused, promises } = build(t, () => script[asked++ % script.length] as Behaviour)
        const sessions: TestSession[] = []
        const sessionOf = (index: number): TestSession => {
          let session = sessions[index]
          if (session === undefined || session.isStopped) {
            session = run.open()
            session.context.way = 1 + index
            sessions[index] = session
          }
          return session
        }
        for (const step of history) {
          switch (step.do) {
            case 'feed':
              sessionOf(step.session).feed(...events(...step.events))
              break
            case 'end':
              sessionOf(step.session).feed(...events('X'))
              break
            case 'stop':
              sessions[step.session]?.stop()
              break
            case 'resume':
              paused.splice(step.which % (paused.length || 1), 1)[0]?.resume()
              break
            case 'settle':
              promises.splice(step.which % (promises.length || 1), 1)[0]?.settle()
              await Promise.resolve()
              break
          }
          check(step.do)
        }
        for (const session of sessions) session?.stop()
        while (paused.length > 0 || promises.length > 0) {
          paused.pop()?.resume()
          promises.pop()?.settle()
          await new Promise(setImmediate)
          check('while it ends')
        }
        run.nodeHost.stop()
        check('in the end')
        for (const edge of run.program.edges) if (edge.inFlight !== 0) t.log(edge.row())
        t.true(run.program.edges.every(edge => edge.inFlight === 0))
      },
    ),
    { numRuns: 400 },
  )
})
