/**
 * Whatever the network does: a ledger that balances at every moment, no message twice, and per key the order in which it
 * was sent. A schedule that breaks one is printed with its seed by fast-check, and replays.
 */

import anyTest from 'ava'
import fc from 'fast-check'
import type { Edge } from '../../../actors/kernel/ledger.ts'
import { FakeSource } from '../../support/pipeline-harness.ts'
import { Network } from './support.ts'

// One after the other: there is one clock.
const test = anyTest.serial

const hostNames = ['a', 'b', 'c'] as const
const host = fc.constantFrom(...hostNames)
const action = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant('send' as const),
      key: fc.nat(9),
      count: fc.integer({ min: 1, max: 40 }),
      isLarge: fc.boolean(),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 400 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('weather' as const),
      dropRate: fc.constantFrom(0, 0.1, 0.5),
      duplicateRate: fc.constantFrom(0, 0.2),
      maxDelayMs: fc.constantFrom(2, 30),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('busy' as const, 'finish' as const), host }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constantFrom('join' as const, 'die' as const, 'drain' as const), host }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constantFrom('cut' as const, 'heal' as const, 'stall' as const, 'resume' as const),
      host: fc.constantFrom(...hostNames, 'sender' as const),
    }),
  },
)
type Action = typeof action extends fc.Arbitrary<infer A> ? A : never

async function run(seed: number, actions: readonly Action[]): Promise<void> {
  const network = new Network(undefined, seed)
  const { broker, clock, hosts } = network
  try {
    const edges = [network.edge('drop'), network.edge('block')]
    const source = new FakeSource()
    const draining = new Set<string>()
    const check = (): void => {
      for (const edge of edges)
        if (!edge.isBalanced) throw new Error(`unbalanced: ${JSON.stringify(edge.row())}`)
    }
    const place = (): void =>
      network.place(member => (draining.has(member.name) ? { ...member, state: 'draining' } : member))
    const sentBy = new Map<number, Edge>()
    network.join('a')
    for (const act of actions) {
      switch (act.do) {
        case 'send':
          for (let i = 0; i < act.count; i++) {
            const edge = edges[(i + act.key) % 2] as Edge
            // A paused source sends no more.
            if (edge.policy === 'block' && source.isPaused) continue
            const bytes = act.isLarge && i === 0 ? 1_500_000 : 100
            const number = network.send(edge, `key-${act.key}`, { bytes, source })
            sentBy.set(number, edge)
            check()
          }
          break
        case 'wait':
          await clock.advance(act.ms)
          break
        case 'weather':
          broker.setWeather(act)
          break
        case 'join':
          draining.delete(act.host)
          if (!hosts.has(act.host)) network.join(act.host)
          place()
          break
        case 'die': {
          const dead = hosts.get(act.host)
          if (dead !== undefined) broker.crash(dead.bus)
          network.lose(act.host)
          break
        }
        case 'drain':
          draining.add(act.host)
          place()
          break
        case 'busy':
        case 'finish': {
          const it = hosts.get(act.host)
          if (it === undefined) break
          it.isBusy = act.do === 'busy'
          if (act.do === 'finish') it.finish()
          break
        }
        default: {
          const bus = act.host === 'sender' ? network.bus : hosts.get(act.host)?.bus
          if (bus === undefined) break
          if (act.do === 'cut') broker.cut(bus, 200)
          else broker[act.do](bus)
        }
      }
      check()
    }
    // Everything heals, and then nothing is left on its way.
    broker.setWeather({ dropRate: 0, duplicateRate: 0, maxDelayMs: 2 })
    for (const bus of [network.bus, ...[...hosts.values()].map(it => it.bus)]) {
      broker.heal(bus)
      broker.resume(bus)
    }
    if (hosts.size === 0) network.join('a')
    draining.clear()
    place()
    for (const it of hosts.values()) {
      it.isBusy = false
      it.finish()
    }
    const isSettled = await clock.until(() => edges.every(edge => edge.inFlight === 0), 30_000)
    check()
    if (!isSettled) throw new Error(`not settled: ${JSON.stringify(edges.map(edge => edge.row()))}`)
    if (source.isPaused) throw new Error('the source is still paused')
    const seen = new Set(network.numbers())
    if (seen.size !== network.got.length) throw new Error('a message was delivered twice')
    for (const edge of edges) {
      const got = network.got.filter(({ number }) => sentBy.get(number) === edge)
      if (got.length < edge.delivered) throw new Error(`${edge.delivered} delivered, and ${got.length} came`)
      const byKey = Map.groupBy(got, ({ key }) => key)
      for (const [key, those] of byKey) {
        const numbers = those.map(({ number }) => number)
        if (numbers.some((number, i) => i > 0 && number < (numbers[i - 1] as number)))
          throw new Error(`${key} out of order: ${numbers.join()}`)
      }
    }
  } finally {
    network.close()
  }
}

test('ledgers balance, nothing comes twice, and keys keep their order, in any weather', async t => {
  await fc.assert(fc.asyncProperty(fc.nat(), fc.array(action, { minLength: 5, maxLength: 60 }), run), {
    numRuns: 150,
  })
  t.pass()
})
