import test from 'ava'
import { BlockedSources } from '../../../runtime/net/blocked-sources.ts'
import { CountedSource } from './support/peers.ts'

test('each source is paused once and runs again once', t => {
  const blocked = new BlockedSources()
  const sources = [new CountedSource(), new CountedSource(), new CountedSource()]
  t.true(blocked.isEmpty)
  for (let round = 0; round < 3; round++) for (const source of sources) blocked.block(source)
  t.false(blocked.isEmpty)
  t.deepEqual(
    sources.map(source => source.pauses),
    [1, 1, 1],
  )
  blocked.release()
  blocked.release()
  t.true(blocked.isEmpty)
  t.deepEqual(
    sources.map(source => source.resumes),
    [1, 1, 1],
  )
})

test('nobody is nobody to pause', t => {
  const blocked = new BlockedSources()
  blocked.block(null)
  t.true(blocked.isEmpty)
  t.notThrows(() => blocked.release())
})

test('a source that fills the queue again while it is let go stays blocked', t => {
  const blocked = new BlockedSources()
  const [eager, other] = [new CountedSource(), new CountedSource()]
  eager.whenResumed = () => blocked.block(eager)
  blocked.block(eager)
  blocked.block(other)
  blocked.release()
  t.true(eager.isPaused)
  t.false(other.isPaused)
  t.false(blocked.isEmpty)
})
