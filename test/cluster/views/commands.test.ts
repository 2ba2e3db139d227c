/** sluice nodes, actors, edges: what a cluster looks like from a machine that is none of it. */

import { connect } from '@nats-io/transport-node'
import ava, { type ExecutionContext } from 'ava'
import { viewSubject } from '../../../cluster/views/view-messages.ts'
import { startNatsServer } from '../../support/nats-server.ts'
import { makeScript, runSluice, type SluiceProcess, startSluice } from '../../support/sluice.ts'

const test = ava.serial

const script = `
import { Message, sluice } from 'sluice'
export default sluice({ key: '', count: 0 })
  .listen('127.0.0.1:0', { role: 'edge' })
  .demuxHTTP().to($ => $
    .handleMessageStart((msg, ctx) => { ctx.key = msg.head.path.slice(1) })
    .ask('count'))
  .pipeline('count', { placement: 'cluster', role: 'counter', key: ctx => ctx.key })
  .replaceMessage((msg, ctx) => new Message({ status: 200 }, String(++ctx.count)))
`

interface Fleet {
  readonly url: string
  readonly edge: SluiceProcess
  readonly counter: SluiceProcess
  readonly port: number
  readonly adminPort: number
}

async function startFleet(t: ExecutionContext): Promise<Fleet> {
  const { url } = await startNatsServer(t)
  const file = makeScript(t, script)
  const node = (name: string, role: string, ...more: string[]): SluiceProcess =>
    startSluice(t, [
      file,
      `--nats=${url}`,
      '--cluster=shop',
      `--node=${name}`,
      `--roles=${role}`,
      // One that stands still is silent for as long as anybody looks here, and not dead.
      '--heartbeat=20s',
      ...more,
    ])
  const edge = node('edge-1', 'edge', '--admin-port=0')
  const counter = node('count-1', 'counter', '--threads=2')
  const adminPort = Number(/:(\d+)$/.exec((await edge.line(/^Admin on/)).message)?.[1])
  const port = await edge.port()
  while ((await (await fetch(`http://127.0.0.1:${port}/warm`)).text()) !== '1');
  return { url, edge, counter, port, adminPort }
}

const view = async (t: ExecutionContext, ...args: string[]): Promise<{ json: never; stderr: string }> => {
  const { code, stdout, stderr } = await runSluice(t, [...args, '--json'])
  t.is(code, 0, stderr)
  return { json: JSON.parse(stdout) as never, stderr }
}

test('nodes, actors and edges of a fleet are told from anywhere, and who is silent is named', async t => {
  const { url, edge, counter, port, adminPort } = await startFleet(t)
  for (const key of ['a', 'b', 'b']) await fetch(`http://127.0.0.1:${port}/${key}`)
  const where = [`--nats=${url}`, '--cluster=shop']

  const nodes = (await view(t, 'nodes', ...where)).json as Record<string, unknown>[]
  t.like(nodes, {
    0: {
      node: 'count-1',
      state: 'serving',
      roles: ['counter'],
      pipelines: ['count'],
      summary: { threads: 2 },
    },
    1: { node: 'edge-1', state: 'serving', roles: ['edge'], pipelines: [] },
    length: 2,
  })

  const { counts, actors } = (await view(t, 'actors', ...where)).json as {
    counts: { pipeline: string; node: string; count: number }[]
    actors: { key: string; node: string; state: string }[]
  }
  t.is(
    counts.reduce((sum, { count }) => sum + count, 0),
    3,
  )
  t.deepEqual(actors.map(({ key }) => key).sort(), ['a', 'b', 'warm'])
  t.true(actors.every(({ node, state }) => node === 'count-1' && state === 'running'))
  const few = (await view(t, 'actors', 'count', '--limit=1', ...where)).json as { omitted: number }
  t.is(few.omitted, 2)

  const edges = (await view(t, 'edges', ...where)).json as { kind: string; to: string; missing: number }[]
  t.like(
    edges.find(({ kind }) => kind === 'ask'),
    { to: 'count', delivered: 4, inFlight: 0, missing: 0 },
  )
  const byNode = (await view(t, 'edges', '--by-node', ...where)).json as { node: string }[]
  t.true(byNode.some(({ node }) => node === 'edge-1'))

  const table = await runSluice(t, ['nodes', ...where])
  t.regex(table.stdout, /^NODE +STATE +ROLES[\s\S]*\ncount-1 +serving +counter +count +2\/2 /)

  const alone = (await view(t, 'edges', `--admin=${adminPort}`)).json as { kind: string }[]
  t.true(alone.some(({ kind }) => kind === 'ask'))
  const aloneActors = (await view(t, 'actors', `--admin=${adminPort}`)).json as { counts: unknown[] }
  t.deepEqual(aloneActors.counts, [])
  const aloneNodes = (await view(t, 'nodes', `--admin=127.0.0.1:${adminPort}`)).json as { node: string }[]
  t.deepEqual(
    aloneNodes.map(({ node }) => node),
    ['count-1', 'edge-1'],
  )

  counter.signal('SIGSTOP')
  t.teardown(() => counter.signal('SIGCONT'))
  const { json: silent, stderr } = await view(t, 'nodes', '--timeout=3s', ...where)
  t.regex(stderr, /^No answer within 3 s from count-1/)
  t.like(silent, { 0: { node: 'count-1', state: 'silent' }, 1: { node: 'edge-1', state: 'serving' } })
  counter.signal('SIGCONT')
  edge.signal('SIGTERM')
  t.is((await edge.exited).code, 0)
})

test("NATS's own tools find the nodes as services, by name and by id", async t => {
  const { url } = await startFleet(t)
  const nats = await connect({ servers: url })
  t.teardown(() => nats.close())
  const ask = async (subject: string, maxMessages = 2): Promise<Record<string, unknown>[]> => {
    const found: Record<string, unknown>[] = []
    const replies = await nats.requestMany(subject, '', {
      strategy: 'count',
      maxWait: 20_000,
      maxMessages,
    })
    for await (const reply of replies) found.push(reply.json())
    return found
  }
  const pings = await ask('$SRV.PING')
  t.deepEqual(pings.map(({ id }) => id as string).sort(), ['count-1', 'edge-1'])
  t.true(pings.every(({ type }) => (type as string) === 'io.nats.micro.v1.ping_response'))
  t.true(
    pings.every(
      ({ name, version }) => (name as string) === 'sluice-shop' && /^\d+\.\d+\.\d+/.test(version as string),
    ),
  )
  const [info] = await ask('$SRV.INFO.sluice-shop.edge-1', 1)
  t.like(info, { type: 'io.nats.micro.v1.info_response', id: 'edge-1', endpoints: { 0: { name: 'view' } } })
  // What is asked of the view counts, and its answer can be read by whoever asks.
  const answer = (await nats.request(viewSubject('shop'), '{"view":"edges"}', { timeout: 5000 })).json<{
    node: string
  }>()
  t.true(['count-1', 'edge-1'].includes(answer.node))
  const stats = await ask('$SRV.STATS.sluice-shop')
  t.is(stats.length, 2)
  t.like(stats[0], {
    type: 'io.nats.micro.v1.stats_response',
    endpoints: { 0: { num_requests: 1, num_errors: 0 } },
  })
})

for (const [args, code, complaint] of [
  [['nodes'], 2, /whom to ask: --nats=.* or --admin=/],
  [['nodes', '--nat=x'], 2, /Unknown option --nat; did you mean --nats\?/],
  [['nodes', '--nats=nats://127.0.0.1:1'], 1, /no connection to NATS at 127\.0\.0\.1:1: connection refused/],
  [['nodes', '--admin=1'], 1, /http:\/\/127\.0\.0\.1:1 is not the admin port of a node that answers/],
  [['dead-letters'], 2, /list[\s\S]*show[\s\S]*replay[\s\S]*delete/],
  [['dead-letters', 'show', 'x', '--nats=a'], 2, /the number of a dead letter/],
  [['actors', '--limit=-1', '--nats=a'], 2, /a number from 0 on/],
  [['dead-letters', '--nats=a'], 2, /list[\s\S]*show[\s\S]*replay[\s\S]*delete/],
  [['dead-letters', 'lst', '--nats=a'], 2, /unknown command 'lst'/],
  [['nodes', '--nats=a', '--cluster=a.b >'], 2, /a name of up to 64 letters/],
  [['dead-letters', 'list', '--nats=a', '--cluster=a b'], 2, /a name of up to 64 letters/],
  [['nodes', '--nats=http://a'], 2, /^--nats: .*begins with http:/],
  [['nodes', '--nats=nats://a:%zz@b'], 2, /^--nats: .*%XX/],
] as const)
  test(`sluice ${args.join(' ')} says what is wrong`, async t => {
    const { code: got, stderr } = await runSluice(t, args)
    t.is(got, code)
    t.regex(stderr, complaint)
  })

test('looking at a cluster that is not there neither makes it nor shows it as empty', async t => {
  const { url } = await startNatsServer(t)
  for (let i = 0; i < 2; i++) {
    const { code, stderr } = await runSluice(t, ['nodes', `--nats=${url}`, '--cluster=nope'])
    t.is(code, 1)
    t.regex(stderr, /never been a node of a cluster 'nope'/)
  }
})

test('a script that is called like a subcommand is run by its path', async t => {
  const file = makeScript(
    t,
    `import { sluice } from 'sluice'\nexport default sluice().task().dummy()\n`,
    'nodes',
  )
  const { stderr } = await runSluice(t, ['./nodes', '--verify'], { cwd: file.replace(/nodes$/, '') })
  t.notRegex(stderr, /whom to ask/)
  t.regex(stderr, /\/nodes/)
})
