/** The part that all sinks share, against a destination that answers at random: nothing is lost, nothing counted twice. */

import test from 'ava'
import fc from 'fast-check'
import { Edge } from '../../../actors/kernel/ledger.ts'
import type { SinkEntry, SinkOutcome } from '../../../actors/sink.ts'
import { MemoryBacklog } from '../../../observability/sinks/backlog.ts'
import { BatchingSink } from '../../../observability/sinks/batching-sink.ts'
import { DeadLetters } from '../../../observability/sinks/dead-letters.ts'
import type { Destination, Item, ItemVerdict, Verdict } from '../../../observability/sinks/destination.ts'
import { RequestWindow } from '../../../observability/sinks/request-window.ts'
import { sinkOptions } from '../../../observability/sinks/sink-options.ts'
import { noLog } from '../../../runtime/log.ts'
import { parseOptions } from '../../../runtime/options.ts'
import { entries } from '../../support/sinks.ts'

const quick = { batchCount: 10, batchInterval: '1ms', retryDelay: '1ms', maxRetryDelay: '4ms', maxTries: 3 }

/** Does what each number in turn says, and well when there are none left. */
class RandomDestination implements Destination {
  readonly name = 'random'
  readonly maxConcurrency = 3
  readonly stored = new Set<string>()
  private readonly whims: number[]
  mostInFlight = 0
  /** It was never sent a batch of nothing. */
  isSensible = true
  private inFlight = 0

  constructor(whims: readonly number[]) {
    this.whims = [...whims]
  }

  async send(batch: readonly Item[]): Promise<Verdict> {
    this.mostInFlight = Math.max(this.mostInFlight, ++this.inFlight)
    if (batch.length === 0) this.isSensible = false
    await new Promise(resolve => setImmediate(resolve))
    this.inFlight--
    const whim = this.whims.shift() ?? 0
    switch (whim % 8) {
      case 1:
        return { kind: 'again', reason: 'busy', cause: 'congestion' }
      // The answer is lost, half of the time to a request that was done.
      case 2:
        if (whim % 16 === 2) for (const { entry } of batch) this.stored.add(entry.id)
        return { kind: 'again', reason: 'away', cause: 'failure', afterMs: whim % 3 }
      case 3:
        return { kind: 'split', reason: 'large', cause: 'size' }
      case 4:
        return { kind: 'split', reason: 'bad', cause: 'content' }
      case 5:
        throw new Error('it is broken')
      case 6:
        return { kind: 'answered', items: batch.map((item, i) => this.one(item, whim + i)), sentBytes: 1 }
      default:
        return { kind: 'answered', items: batch.map(item => this.one(item, 0)), sentBytes: 1 }
    }
  }

  private one({ entry }: Item, whim: number): ItemVerdict {
    if (this.stored.has(entry.id)) return { kind: 'duplicate' }
    switch (whim % 5) {
      case 1:
        return { kind: 'later', reason: 'full', cause: 'congestion' }
      case 2:
        return { kind: 'later', reason: 'broken', cause: 'fault' }
      case 3:
        return { kind: 'rejected', reason: 'wrong' }
      default:
        this.stored.add(entry.id)
        return { kind: 'stored' }
    }
  }

  async close(): Promise<void> {}
}

function sinkOf(destination: Destination): { sink: BatchingSink; edge: Edge } {
  const settings = parseOptions(sinkOptions, quick, 'test')
  const edge = new Edge('sink', 'test', destination.name, 'drop')
  const sink = new BatchingSink({
    destination,
    backlog: new MemoryBacklog(1024 * 1024),
    settings,
    edge,
    deadLetters: new DeadLetters('test', settings, noLog),
    log: noLog,
    onClosed: () => {},
  })
  return { sink, edge }
}

test('whatever a destination answers, each entry has one outcome and the ledger balances', async t => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat(1000), { maxLength: 40 }),
      fc.integer({ min: 1, max: 120 }),
      fc.boolean(),
      async (whims, count, isHasty) => {
        const destination = new RandomDestination(whims)
        const { sink, edge } = sinkOf(destination)
        const outcomes = new Map<string, SinkOutcome[]>()
        for (const entry of entries(count))
          sink.write(entry, outcome => {
            outcomes.set(entry.id, [...(outcomes.get(entry.id) ?? []), outcome])
            if (!edge.isBalanced) throw new Error('it does not balance')
          })
        if (!isHasty) await sink.flush(5000)
        await sink.close(isHasty ? 0 : 5000)
        const all = [...outcomes.values()]
        const kinds = all.map(([first]) => first?.kind)
        const told = (kind: SinkOutcome['kind']): number => kinds.filter(each => each === kind).length
        return (
          all.length === count &&
          all.every(({ length }) => length === 1) &&
          edge.isBalanced &&
          edge.inFlight === 0 &&
          edge.delivered === told('stored') &&
          edge.duplicate === told('duplicate') &&
          edge.deadLettered === told('dead-lettered') &&
          edge.dropped === told('dropped') &&
          destination.isSensible &&
          // Said to be stored is what is stored. What was stored unheard may have been refused the next time.
          [...outcomes].every(
            ([id, [outcome]]) =>
              !['stored', 'duplicate'].includes(outcome?.kind ?? '') || destination.stored.has(id),
          ) &&
          (isHasty || edge.dropped === 0) &&
          sink.status().waiting === 0 &&
          destination.mostInFlight <= 3
        )
      },
    ),
    { numRuns: 150 },
  )
  t.pass()
})

for (const late of [2, 8]) {
  test(`${late} of ten that wait longer keep ${late === 2 ? 'bytes of their own' : 'the memory of all, which is mostly theirs'}`, async t => {
    const memory = Buffer.from(
      entries(10)
        .map(entry => entry.json)
        .join(''),
    )
    const given: SinkEntry[] = []
    let at = 0
    for (const entry of entries(10)) {
      given.push({ ...entry, json: memory.subarray(at, at + entry.json.length) })
      at += entry.json.length
    }
    const batches: { text: string; isShared: boolean }[][] = []
    const { sink, edge } = sinkOf({
      name: 'late',
      maxConcurrency: 1,
      send: async batch => {
        batches.push(
          batch.map(({ entry: { json } }) => ({
            text: json.toString(),
            isShared: json.buffer === memory.buffer,
          })),
        )
        const isFirst = batches.length === 1
        const items = batch.map(
          (_, i): ItemVerdict =>
            isFirst && i < late ? { kind: 'later', reason: 'full', cause: 'congestion' } : { kind: 'stored' },
        )
        return { kind: 'answered', items, sentBytes: 1 }
      },
      close: async () => {},
    })
    for (const entry of given) sink.write(entry, () => {})
    await sink.flush(5000)
    await sink.close(5000)
    t.is(edge.delivered, 10)
    t.is(batches[0]?.length, 10)
    const again = batches.slice(1).flat()
    t.deepEqual(
      again.map(({ text }) => text),
      given.slice(0, late).map(({ json }) => json.toString()),
    )
    t.true(again.every(({ isShared }) => isShared === (late === 8)))
  })
}

test('the window grows by one a round, and halves once for requests that failed together', t => {
  const window = new RequestWindow(16)
  t.is(window.limit, 2)
  for (let i = 0; i < 200; i++) {
    window.begin()
    window.taken()
  }
  t.is(window.limit, 16)
  const together = Array.from({ length: 16 }, () => window.begin())
  t.deepEqual(
    together.map(request => window.refused(request)),
    [true, ...Array(15).fill(false)],
  )
  t.is(window.limit, 8)
  for (let i = 0; i < 10; i++) window.refused(window.begin())
  t.is(window.limit, 1)
})
