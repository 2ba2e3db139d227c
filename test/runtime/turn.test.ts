/** Turns: what is deferred to their end, whose source they carry, and that an exception in one does not spoil the next. */

import test from 'ava'
import { type Flushable, turn } from '../../runtime/turn.ts'

const source = { pause: () => {}, resume: () => {} }

const flushes = (log: string[], name: string, also: () => void = () => {}): Flushable => ({
  flush: () => {
    log.push(name)
    also()
  },
})

test.serial('what is deferred is flushed when the turn ends, in order, with the source still standing', t => {
  const log: string[] = []
  turn.begin(source)
  turn.defer(flushes(log, 'a', () => t.is(turn.source, source)))
  turn.defer(flushes(log, 'b'))
  t.deepEqual(log, [])
  turn.end()
  t.deepEqual(log, ['a', 'b'])
  t.is(turn.source, null)
})

test.serial('what a flush defers is flushed in the same turn', t => {
  const log: string[] = []
  turn.begin(null)
  turn.defer(flushes(log, 'write', () => turn.defer(flushes(log, 'end'))))
  turn.end()
  t.deepEqual(log, ['write', 'end'])
})

test.serial('outside of a turn it is flushed with the microtasks', async t => {
  const log: string[] = []
  turn.defer(flushes(log, 'a'))
  turn.defer(flushes(log, 'b'))
  t.deepEqual(log, [])
  await Promise.resolve()
  t.deepEqual(log, ['a', 'b'])
})

test.serial('an inner turn flushes nothing: the outer one does', t => {
  const log: string[] = []
  turn.begin(source)
  turn.begin(null)
  turn.defer(flushes(log, 'a'))
  turn.end()
  t.deepEqual(log, [])
  turn.end()
  t.deepEqual(log, ['a'])
})

test.serial('a flush that throws spoils neither the turns that follow nor the flush of others', t => {
  const log: string[] = []
  turn.begin(source)
  turn.defer(flushes(log, 'a'))
  turn.defer({
    flush: () => {
      throw new Error('a bug')
    },
  })
  turn.defer(flushes(log, 'b'))
  t.throws(() => turn.end(), { message: 'a bug' })
  t.is(turn.source, null)
  t.deepEqual(log, ['a'])
  turn.begin(null)
  turn.defer(flushes(log, 'c'))
  turn.end()
  t.deepEqual(log, ['a', 'b', 'c'])
})

test.serial('very many are flushed as well', t => {
  let flushed = 0
  const item = { flush: () => void flushed++ }
  for (let round = 0; round < 3; round++) {
    turn.begin(null)
    for (let i = 0; i < 5000; i++) turn.defer(item)
    turn.end()
  }
  t.is(flushed, 15_000)
})
