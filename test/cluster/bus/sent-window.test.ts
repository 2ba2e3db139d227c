import test from 'ava'
import fc from 'fast-check'
import { SentWindow } from '../../../cluster/bus/sent-window.ts'

/** A server that answers when it is told to. */
class Answers {
  readonly open: { resolve: () => void; reject: (error: Error) => void }[] = []

  readonly ask = (): Promise<void> => new Promise((resolve, reject) => this.open.push({ resolve, reject }))
}

test('there is room until so much is under way, and again when the server has seen it', async t => {
  const answers = new Answers()
  const window = new SentWindow(100, answers.ask)
  window.add(20)
  t.is(answers.open.length, 0, 'a little needs no question')
  window.add(60)
  t.is(answers.open.length, 1)
  t.true(window.hasRoom(20))
  t.false(window.hasRoom(21))
  answers.open[0]?.resolve()
  await Promise.resolve()
  t.is(window.underWay, 0)
  t.true(window.hasRoom(1_000), 'one message may always be under way')
})

test('what is sent while a question is open is asked for after it', async t => {
  const answers = new Answers()
  const window = new SentWindow(100, answers.ask)
  window.add(40)
  window.add(40)
  t.is(answers.open.length, 1)
  answers.open[0]?.resolve()
  await Promise.resolve()
  t.is(window.underWay, 40)
  t.is(answers.open.length, 2)
})

test('a lost connection empties the window, and its open question does no harm', async t => {
  const answers = new Answers()
  const window = new SentWindow(100, answers.ask)
  window.add(90)
  window.reset()
  t.is(window.underWay, 0)
  answers.open[0]?.reject(new Error('disconnected'))
  await Promise.resolve()
  await Promise.resolve()
  window.add(50)
  t.is(answers.open.length, 2)
  t.is(window.underWay, 50)
})

test('whatever happens in whatever order, no more than the limit is under way and none is forgotten', async t => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('send' as const), bytes: fc.integer({ min: 1, max: 60 }) }),
    fc.record({ kind: fc.constantFrom('answer' as const, 'break' as const) }),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async steps => {
      const answers = new Answers()
      const window = new SentWindow(100, answers.ask)
      for (const each of steps) {
        if (each.kind === 'send' && window.hasRoom(each.bytes)) window.add(each.bytes)
        else if (each.kind === 'answer') answers.open.shift()?.resolve()
        else if (each.kind === 'break') {
          for (const open of answers.open.splice(0)) open.reject(new Error('disconnected'))
          window.reset()
        }
        await Promise.resolve()
        await Promise.resolve()
        t.true(window.underWay >= 0 && window.underWay <= 100)
        t.true(window.underWay < 25 || answers.open.length === 1, 'much under way, and nobody asks')
      }
    }),
  )
})
