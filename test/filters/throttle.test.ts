/** Filters that hold streams back. Rates are per second, and quotas here are given back by hand: nobody waits. */

import test from 'ava'
import { algo, Message, MessageStart, sluice } from '../../actors/index.ts'
import { type Event, messageEnd } from '../../runtime/event.ts'
import { openStream, testProgram } from '../support/stream.ts'

const isEnd = (event: Event): boolean => event.kind === 2

test('messages over the quota wait, and pause the socket that they come from', async t => {
  const quota = new algo.Quota(2)
  const stream = openStream(t, sluice().pipeline('main').throttleMessageRate(quota))
  stream.feed(new Message('a'), new Message('b'), new Message('c'), new Message('d')).end()
  t.deepEqual(stream.output, ['<', 'a', '>', '<', 'b', '>'])
  t.is(stream.source.pauses, 1)
  quota.produce(1)
  t.deepEqual(stream.output.slice(6), ['<', 'c', '>'])
  t.true(stream.source.isPaused)
  quota.produce(1)
  t.deepEqual(stream.output.slice(9), ['<', 'd', '>', '|'])
  t.false(stream.source.isPaused)
})

test('a rate comes back with time', async t => {
  const stream = openStream(t, sluice().pipeline('main').throttleMessageRate(20))
  for (let i = 0; i < 21; i++) stream.feed(new Message('x'))
  t.is(stream.output.filter(shown => shown === '>').length, 20)
  for (let i = 0; i < 21; i++) await stream.next(isEnd)
  t.false(stream.source.isPaused)
})

test('bytes pass up to the quota, to the byte, in their order', t => {
  const quota = new algo.Quota(5)
  const stream = openStream(t, sluice().pipeline('main').throttleDataRate(quota))
  stream.feed('abc', 'defg', new MessageStart(), messageEnd)
  t.deepEqual(stream.output, ['abcde'])
  quota.produce(1)
  t.deepEqual(stream.output, ['abcdef'])
  quota.produce(100)
  t.deepEqual(stream.output, ['abcdefg', '<', '>'])
  t.false(stream.source.isPaused)
})

test('all streams share one account, and take turns', t => {
  const quota = new algo.Quota(1)
  const { open } = testProgram(t, sluice().pipeline('main').throttleDataRate(quota))
  const [one, two] = [open().feed('abc'), open().feed('xyz')]
  t.deepEqual([one.text, two.text], ['a', ''])
  quota.produce(1)
  quota.produce(1)
  t.deepEqual([one.text, two.text], ['ab', 'x'])
  two.close()
  t.false(two.source.isPaused)
  quota.produce(9)
  t.is(one.text, 'abc')
})

test('accounts are apart by value, and quotas may be chosen by stream', t => {
  const { open } = testProgram(
    t,
    sluice({ user: '', rate: 0 as number | string | undefined })
      .pipeline('main')
      .handleMessageStart((start, ctx) => Object.assign(ctx, start.head))
      .throttleMessageRate(
        ctx => ctx.rate,
        ctx => ctx.user,
      ),
  )
  const send = (head: object): string[] => open().feed(new Message(head, 'x')).output
  t.deepEqual(send({ user: 'a', rate: 1 }), ['<', 'x', '>'])
  t.deepEqual(send({ user: 'a', rate: 1 }), [])
  t.deepEqual(send({ user: 'b', rate: '1' }), ['<', 'x', '>'])
  t.deepEqual(send({ user: 'a', rate: 0 }), ['<', 'x', '>'], '0 is no limit')
  t.deepEqual(send({ user: 'a', rate: undefined }), ['<', 'x', '>'])
  t.deepEqual(send({ user: 'a', rate: 'many' }), ['|RuntimeError'])
})

test('a place in a stream is given back when the stream is closed', t => {
  const { open } = testProgram(t, sluice().pipeline('main').throttleConcurrency(2))
  const [one, two, three] = [open().feed('1'), open().feed('2'), open().feed('3').end()]
  t.deepEqual([one.text, two.text, three.text], ['1', '2', ''])
  one.close()
  t.deepEqual(three.output, ['3', '|'])
  const four = open().feed('4')
  three.close()
  two.close()
  t.is(four.text, '4')
})

test('what cannot be paused ends when too much of it waits', t => {
  const script = sluice()
    .pipeline('main')
    .throttleDataRate(new algo.Quota(0), { blockInput: false, bufferLimit: 200 })
  const stream = openStream(t, script).feed('x'.repeat(100))
  t.false(stream.source.isPaused)
  t.deepEqual(stream.feed('x'.repeat(100)).output, ['|BufferOverflow'])
})

test('tap counts messages where they end for a number, and bytes for text', t => {
  const messages = openStream(t, sluice().pipeline('main').tap(1)).feed(new Message('a'), new Message('b'))
  t.deepEqual(messages.output, ['<', 'a', '>', '<', 'b'])
  const bytes = openStream(t, sluice().pipeline('main').tap('2')).feed('abc')
  t.deepEqual(bytes.output, ['ab'])
  const asked = openStream(
    t,
    sluice()
      .pipeline('main')
      .tap(() => '1'),
  ).feed('abc')
  t.deepEqual(asked.output, ['a'])
  t.deepEqual(openStream(t, sluice().pipeline('main').tap(-1)).feed('abc').output, ['abc'])
})

test('a stream that is closed while it waits lets its socket go', t => {
  const stream = openStream(t, sluice().pipeline('main').throttleDataRate(1)).feed('abc')
  t.true(stream.source.isPaused)
  stream.close()
  t.false(stream.source.isPaused)
})

test('quotas that are none are refused', t => {
  for (const quota of [undefined, 'fast', {}])
    t.throws(
      () =>
        testProgram(
          t,
          sluice()
            .pipeline('main')
            .throttleDataRate(quota as never),
        ),
      {
        message: /throttleDataRate wants a number/,
      },
    )
})
