/** What a dead letter tells of a pipeline that failed: the message, the fault, and the events that led there. */

import test from 'ava'
import { sluice } from '../../actors/index.ts'
import { kernel } from '../../actors/kernel/actor.ts'
import type { DeadLetter } from '../../actors/kernel/dead-letters.ts'
import { events, harness } from '../support/pipeline-harness.ts'

test('a dead letter has the last eight events that came into the pipeline that failed, the last one being it', t => {
  const letters: DeadLetter[] = []
  t.teardown(kernel.deadLetters.subscribe(letter => letters.push(letter)))
  const script = sluice({ count: 0 })
    .pipeline('main')
    .handleMessageEnd((_end, ctx) => {
      if (++ctx.count === 3) throw new Error('the third')
    })
  const { open } = harness(t, script)
  open().feed(...events('D:', 'S', 'E', 'S', 'D:a', 'D:b', 'E', 'S', 'D:c', 'E', 'X'))
  const letter = letters.find(({ reason }) => reason === 'failed')
  t.is(letter?.message, 'MessageEnd')
  t.regex(letter?.fault?.message ?? '', /the third/)
  t.deepEqual(letter?.history, [
    ...['MessageEnd', 'MessageStart', 'Data', 'Data', 'MessageEnd'],
    ...['MessageStart', 'Data', 'MessageEnd'],
  ])
})

test('each pipeline has a history of its own', t => {
  const letters: DeadLetter[] = []
  t.teardown(kernel.deadLetters.subscribe(letter => letters.push(letter)))
  const script = sluice()
    .pipeline('main')
    .demuxQueue()
    .to($ =>
      $.handleData(() => {
        throw new Error('a bug')
      }),
    )
  harness(t, script)
    .open()
    .feed(...events('S', 'E', 'S', 'D:x', 'E'))
  t.deepEqual(letters.find(({ reason }) => reason === 'failed')?.history, ['MessageStart', 'Data'])
})
