/**
 * Location transparency: generated scripts of shared pipelines, with generated traffic, give the same outputs on one
 * thread, on three threads, and on three nodes, namely those that a model of them computes. A run that fails prints
 * its seed; `SEED=… ava` runs it again.
 */

import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { eventually } from '../../support/eventually.ts'
import { startNatsServer } from '../../support/nats-server.ts'
import { type SluiceProcess, startSluice } from '../../support/sluice.ts'
import { change, groupOf, type Item, keyOf, lineOf, type Plan } from './fixtures/plan.ts'

const script = fileURLToPath(new URL('fixtures/script.ts', import.meta.url))
const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31))

/** A request of one of the clients, each of which has a connection of its own. */
interface Call {
  readonly conn: number
  readonly plan: number
  readonly user: string
  readonly path: string
  readonly bytes: number
}

const plan: fc.Arbitrary<Plan> = fc.integer({ min: 1, max: 4 }).chain(length =>
  fc.tuple(
    ...Array.from({ length }, (_, stage) =>
      fc.record({
        key: fc.constantFrom('user' as const, 'path' as const, 'both' as const, 'none' as const),
        // What an actor remembers of what came is the same everywhere only where one sender feeds it.
        change:
          stage === 0
            ? fc.constantFrom('mark' as const, 'split' as const, 'even' as const, 'last' as const)
            : fc.constantFrom('mark' as const, 'split' as const, 'even' as const),
        placement: fc.constantFrom('cluster' as const, 'cluster' as const, 'node' as const),
        fanout: fc.constant('one' as const),
        next: fc.subarray(Array.from({ length: length - stage - 1 }, (_, i) => stage + 1 + i)),
      }),
    ),
  ),
)

const plans = fc.sample(fc.array(plan, { minLength: 8, maxLength: 8 }), { numRuns: 1, seed })[0] as Plan[]
const calls = fc.sample(
  fc.array(
    fc.record({
      conn: fc.nat(2),
      plan: fc.nat(plans.length - 1),
      user: fc.constantFrom('ann', 'ben', 'cid', 'dot', 'eve'),
      path: fc.constantFrom('x', 'y', 'z'),
      bytes: fc.oneof({ weight: 9, arbitrary: fc.nat(300) }, { weight: 1, arbitrary: fc.nat(200_000) }),
    }),
    { minLength: 240, maxLength: 240 },
  ),
  { numRuns: 1, seed },
)[0] as Call[]

/** What must come out, by sender and actor. */
function expected(): Map<string, string[]> {
  const lines: string[] = []
  const memories = new Map<string, { last: number }>()
  const enter = (p: number, s: number, item: Item, bytes: number): void => {
    const stage = plans[p]?.[s]
    if (stage === undefined) return
    const id = `${p}/${s}/${keyOf(stage, item)}/${item.conn}`
    let seen = memories.get(id)
    if (seen === undefined) {
      seen = { last: -1 }
      memories.set(id, seen)
    }
    for (const each of change(stage, s, item, seen)) {
      lines.push(lineOf(s, each, bytes))
      for (const next of stage.next) enter(p, next, each, bytes)
    }
  }
  for (const [n, { conn, plan: p, user, path, bytes }] of calls.entries())
    enter(p, 0, { plan: p, conn: `c${conn}`, user, path, n, trail: '', via: '' }, bytes)
  return grouped(lines)
}

const isFirst = (line: string): boolean => line.split(' ')[1] === '0'

const grouped = (lines: readonly string[]): Map<string, string[]> =>
  new Map([...Map.groupBy(lines, groupOf)].sort(([a], [b]) => (a < b ? -1 : 1)))

/** Takes lines from whichever actor connects. */
async function startCollector(t: ExecutionContext): Promise<{ port: number; lines: string[] }> {
  const lines: string[] = []
  const server = createServer(socket => {
    let rest = ''
    socket.setEncoding('utf8').on('data', text => {
      const parts = (rest + text).split('\n')
      rest = parts.pop() ?? ''
      lines.push(...parts)
    })
    socket.on('error', () => {})
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return { port: (server.address() as AddressInfo).port, lines }
}

/** Sends the calls, each client's one after the other to its node. */
async function drive(ports: readonly number[]): Promise<void> {
  await Promise.all(
    [0, 1, 2].map(async conn => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 })
      const port = ports[conn % ports.length] as number
      for (const [n, call] of calls.entries()) {
        if (call.conn !== conn) continue
        const { promise, resolve, reject } = Promise.withResolvers<void>()
        const asked = request({
          agent,
          port,
          host: '127.0.0.1',
          method: 'POST',
          path: `/${call.plan}/${call.path}`,
          headers: {
            'x-conn': `c${conn}`,
            'x-user': call.user,
            'x-n': String(n),
            'content-length': call.bytes,
          },
        })
        asked.on('response', response => response.resume().on('end', resolve))
        asked.on('error', reject)
        asked.end(Buffer.alloc(call.bytes, 'x'))
        await promise
      }
      agent.destroy()
    }),
  )
}

async function outputs(
  t: ExecutionContext,
  start: (env: NodeJS.ProcessEnv) => SluiceProcess[],
  isReady: (node: SluiceProcess) => Promise<unknown> = async () => {},
): Promise<Map<string, string[]>> {
  const { port, lines } = await startCollector(t)
  const nodes = start({ PLANS: JSON.stringify(plans), COLLECTOR: `127.0.0.1:${port}` })
  const ports = await Promise.all(nodes.map(node => node.port()))
  await Promise.all(nodes.map(isReady))
  await drive(ports)
  // What an actor remembers goes with its node: those that remember have had all they are to get by then.
  const firsts = [...expected().values()].flat().filter(isFirst).length
  await eventually(
    () => lines.filter(isFirst).length,
    count => count >= firsts,
  )
  // One after the other, as in a rolling restart: what the last one has is all there is.
  for (const node of nodes) {
    node.signal('SIGTERM')
    t.is((await node.exited).code, 0, node.stderr)
  }
  return grouped(lines)
}

function check(t: ExecutionContext, actual: Map<string, string[]>): void {
  const wanted = expected()
  const isSame = JSON.stringify([...actual]) === JSON.stringify([...wanted])
  if (!isSame) t.log(`seed ${seed}, plans ${JSON.stringify(plans)}`)
  t.deepEqual(Object.fromEntries(actual), Object.fromEntries(wanted))
}

test.serial('one thread gives what the model says', async t => {
  check(t, await outputs(t, env => [startSluice(t, [script, '--threads=1'], { env })]))
})

test.serial('three threads give the same', async t => {
  check(t, await outputs(t, env => [startSluice(t, [script, '--threads=3'], { env })]))
})

test.serial('three nodes give the same, of two threads each', async t => {
  // A pipeline of a node is one on each node: what it gives depends on where its senders are.
  const isOfCluster = plans.map(each => each.map(stage => ({ ...stage, placement: 'cluster' as const })))
  const server = await startNatsServer(t)
  const start = (env: NodeJS.ProcessEnv): SluiceProcess[] =>
    ['a', 'b', 'c'].map(name =>
      startSluice(
        t,
        [
          script,
          '--threads=2',
          `--nats=${server.url}`,
          `--node=${name}`,
          '--heartbeat=2s',
          '--log-level=debug',
        ],
        { env: { ...env, PLANS: JSON.stringify(isOfCluster) } },
      ),
    )
  const count = plans.flat().length
  const each = `\\(serving, 2 of 2 threads, ${count} pipelines\\)`
  const all = new RegExp(`^Nodes: a ${each}, b ${each}, c ${each}$`)
  check(t, await outputs(t, start, node => node.line(all)))
})
