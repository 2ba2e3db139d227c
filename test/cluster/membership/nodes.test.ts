/** Nodes as processes: what an operator sees when he starts, misnames and ends them. */

import test, { type ExecutionContext } from 'ava'
import { eventually } from '../../support/eventually.ts'
import { startNatsServer } from '../../support/nats-server.ts'
import { makeScript, runSluice, type SluiceProcess, startSluice } from '../../support/sluice.ts'

const fleet = `
import { sluice, Message } from 'sluice'
export default sluice()
  .listen('127.0.0.1:0', { role: 'edge' })
  .demuxHTTP().to($ => $.fork().to('log').replaceMessage(() => new Message({ status: 200 }, 'hello')))
  .task('1h', { role: 'clock' })
  .replaceMessage(() => { console.log('ticked') })
  .pipeline('log', { placement: 'cluster', role: 'log' })
  .handleMessage(msg => console.log('logged ' + msg.head.path))
`

const start = (t: ExecutionContext, args: readonly string[], script = fleet): SluiceProcess =>
  startSluice(t, [makeScript(t, script), '--heartbeat=1s', '--log-level=debug', ...args])

const ask = async (node: SluiceProcess, path: string): Promise<string> =>
  (await fetch(`http://127.0.0.1:${await node.port()}${path}`)).text()

const end = async (t: ExecutionContext, node: SluiceProcess): Promise<void> => {
  node.signal('SIGTERM')
  t.is((await node.exited).code, 0, node.stderr)
}

test.serial('the same script on a laptop does all of it, without NATS', async t => {
  const node = start(t, [])
  t.is(await ask(node, '/alone'), 'hello')
  t.truthy(await node.line(/^logged \/alone$/))
  t.true(node.stderr.includes('ticked'))
  await end(t, node)
})

test.serial(
  'a node runs the sources and the pipelines of its roles, and sends the rest to others',
  async t => {
    const { url } = await startNatsServer(t)
    const log = start(t, [`--nats=${url}`, '--node=log-1', '--roles=log'])
    const edge = start(t, [`--nats=${url}`, '--node=edge-1', '--roles=edge,clock'])
    const port = await edge.port()
    await edge.line(/^Nodes: edge-1 .*, log-1 \(serving, 1 of 1 threads, 1 pipelines\)$/)
    t.is(await (await fetch(`http://127.0.0.1:${port}/from-edge`)).text(), 'hello')
    t.truthy(await log.line(/^logged \/from-edge$/))
    t.false(log.stderr.includes('Listening'))
    t.false(log.stderr.includes('ticked'))
    t.true(edge.stderr.includes('ticked'))
    await end(t, log)
    // Its last host has gone: whoever sends to it says so, and says when there is one again.
    t.regex((await edge.line(/^NobodyHosts$/)).message, /No node hosts pipeline 'log'.*role 'log'/)
    const next = start(t, [`--nats=${url}`, '--node=log-2', '--roles=log'])
    t.regex((await edge.line(/^Hosted$/)).message, /Pipeline 'log' is hosted again, by log-2/)
    await end(t, next)
    await end(t, edge)
    t.false(edge.stderr.includes('logged'))
  },
)

test.serial('a node that nobody could help says so at once, and what to do', async t => {
  const node = start(t, ['--roles=edge'])
  t.is((await node.exited).code, 1)
  t.regex(
    node.stderr,
    /nobody runs pipeline 'log': it is for nodes with the role 'log', and this one was started with --roles=edge, and without --nats there are none/,
  )
})

test.serial('a role for which the script has nothing is told, and is a failure', async t => {
  const { url } = await startNatsServer(t)
  const node = start(t, [`--nats=${url}`, '--node=a', '--roles=lgo,clok'])
  t.is((await node.exited).code, 1)
  t.regex(node.stderr, /^The script has nothing for the roles lgo, clok/m)
})

test.serial('a declaration without filters is one: without --nats nobody would run it', async t => {
  const script = `
import { sluice } from 'sluice'
export default sluice().task('1h').fork().to('log').pipeline('log', { placement: 'cluster' })
`
  const node = start(t, [], script)
  t.is((await node.exited).code, 1)
  t.regex(node.stderr, /nobody runs pipeline 'log': it has no filters here/)
})

test.serial('a node that cannot reach NATS says so, serves, and is a member as soon as it can', async t => {
  const server = await startNatsServer(t)
  await server.kill()
  const node = start(t, [`--nats=${server.url}`, '--node=a'])
  t.truthy(await node.line(/no connection to NATS at 127\.0\.0\.1:\d+.*It is tried again/))
  const listening = await node.port()
  t.is(await (await fetch(`http://127.0.0.1:${listening}/before`)).text(), 'hello')
  await server.start()
  await node.line(/^Node 'a' is in cluster 'sluice'$/)
  t.truthy(await node.line(/^logged \/before$/))
  await end(t, node)
})

test.serial(
  'of two nodes with one name the newer is it; the older says so, leaves, and serves on',
  async t => {
    const { url } = await startNatsServer(t)
    const older = start(t, [`--nats=${url}`, '--node=a', '--roles=edge'])
    await older.line(/^NodeJoined$/)
    const port = await older.port()
    const newer = start(t, [`--nats=${url}`, '--node=a', '--roles=edge'])
    await newer.line(/^NodeJoined$/)
    t.regex((await older.line(/^NodeDisplaced$/)).message, /Another node has come with the name 'a'/)
    t.is(await (await fetch(`http://127.0.0.1:${port}/still`)).text(), 'hello')
    await newer.port()
    const rows = await eventually(
      async () => {
        const { stdout } = await runSluice(t, ['nodes', `--nats=${url}`, '--json'])
        return JSON.parse(stdout) as { node: string; state: string; summary: { pid: number } }[]
      },
      ({ length }) => length === 2,
    )
    t.deepEqual(
      rows.map(({ node, state, summary }) => ({ node, state, pid: summary.pid })),
      [
        { node: 'a', state: 'serving', pid: newer.child.pid as number },
        { node: 'a', state: 'serving, displaced', pid: older.child.pid as number },
      ],
    )
    await end(t, older)
    await end(t, newer)
  },
)

test.serial('a node whom NATS does not let in says so once, and is in when it may', async t => {
  const rights = (cluster: string): string => `authorization { users: [ { user: a, password: a, permissions: {
    publish: ["sluice.${cluster}.>", "$JS.>", "$KV.sluice_${cluster}_nodes.>"], subscribe: ["sluice.>", "_INBOX.>", "$SRV.>"] } } ] }`
  const server = await startNatsServer(t, { config: rights('other') })
  const node = start(t, [`--nats=nats://a:a@127.0.0.1:${server.port}`, '--node=a', '--heartbeat=0.1'])
  const refusal =
    /cannot enter cluster 'sluice'.*Permissions Violation for Publish to "\$KV\.sluice_sluice_nodes\.a"/
  await node.line(refusal)
  await node.line(/^Listening on/)
  await server.configure(rights('sluice'))
  await node.line(/^NodeJoined$/)
  t.is(node.stderr.split('\n').filter(line => line.includes('cannot enter')).length, 1)
  t.is(
    node.stderr.split('\n').filter(line => line.includes('says: Permissions Violation for Publish to \\"$KV'))
      .length,
    1,
  )
  await end(t, node)
})

test.serial('what a node could not hand on before it ended, it says', async t => {
  const server = await startNatsServer(t)
  await server.kill()
  const script = `
import { sluice, Message } from 'sluice'
export default sluice()
  .listen('127.0.0.1:0', { role: 'edge' })
  .demuxHTTP().to($ => $.fork().to('told').fork().to('kept').replaceMessage(() => new Message({ status: 200 }, 'hello')))
  .pipeline('told', { placement: 'cluster', role: 'log' })
  .pipeline('kept', { placement: 'cluster', role: 'log', delivery: 'at-least-once' })
`
  const node = start(t, [`--nats=${server.url}`, '--node=a', '--roles=edge'], script)
  const port = await node.port()
  for (let i = 0; i < 3; i++) await fetch(`http://127.0.0.1:${port}/`)
  await end(t, node)
  t.regex(node.stderr, /3 events for pipeline 'kept' could not be stored, and go with this process/)
  t.regex(node.stderr, /3 messages from \S+fork to pipeline 'told' had no word that they were taken/)
})

test.serial('the last node of a cluster writes all it has when it ends', async t => {
  const { url } = await startNatsServer(t)
  const node = start(t, [`--nats=${url}`, '--node=a', '--threads=2'])
  const port = await node.port()
  await node.line(/^Nodes: a \(serving, 2 of 2 threads, 1 pipelines\)$/)
  await Promise.all(Array.from({ length: 50 }, (_, i) => fetch(`http://127.0.0.1:${port}/${i}`)))
  await end(t, node)
  t.is(node.stderr.match(/logged \/\d+/g)?.length, 50)
})

test.serial(
  'a thread that dies is replaced, its keys wait for it, and the ledger says what was lost',
  async t => {
    const { url } = await startNatsServer(t)
    const script = `
import { sluice, Message } from 'sluice'
export default sluice({ key: '' })
  .listen('127.0.0.1:0', { role: 'edge' })
  .demuxHTTP().to($ => $
    .handleMessageStart((msg, ctx) => { ctx.key = msg.head.path })
    .fork(undefined, { policy: 'block' }).to('log')
    .replaceMessage(() => new Message({ status: 200 }, 'hello')))
  .pipeline('log', { placement: 'cluster', role: 'log', key: ctx => ctx.key })
  .handleMessage(msg => {
    if (msg.head.headers['x-crash']) process.exit(1)
    console.log('logged ' + msg.head.path + ' ' + msg.head.headers['x-round'])
  })
`
    const log = start(t, [`--nats=${url}`, '--node=log-1', '--roles=log', '--threads=2'], script)
    const edge = start(t, [`--nats=${url}`, '--node=edge-1', '--roles=edge', '--admin-port=0'], script)
    const admin = /http:\S+/.exec((await edge.line(/^Admin on/)).message)?.[0]
    const port = await edge.port()
    const all = /^Nodes: edge-1 .*, log-1 \(serving, 2 of 2 threads, 1 pipelines\)$/
    await edge.line(all)
    const send = (path: string, headers: Record<string, string>): Promise<Response> =>
      fetch(`http://127.0.0.1:${port}/${path}`, { headers })
    const paths = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
    /** Lives of the threads of log-1, as the edge knows them. */
    const lives = async (): Promise<string> => {
      const { cluster } = (await (await fetch(`${admin}/api/v1/status`)).json()) as {
        cluster: { members: { name: string; threads: number[] }[] }
      }
      return cluster.members.find(({ name }) => name === 'log-1')?.threads.join() ?? ''
    }
    const before = await lives()
    await send('a', { 'x-crash': '1' })
    // What is sent before the sender knows is lost with the thread, and counted. That one is missing may pass unseen, when
    // another is there before it is written.
    await eventually(lives, now => now !== before)
    for (const path of paths) await send(path, { 'x-round': '2' })
    for (const _ of paths) await log.line(/^logged \/\w 2$/)
    const row = await eventually(
      async () => {
        const status = (await (await fetch(`${admin}/api/v1/status`)).json()) as {
          threads: {
            edges: { to: string; accepted: number; delivered: number; dropped: object; inFlight: number }[]
          }[]
        }
        return status.threads[0]?.edges.find(({ to }) => to === 'log')
      },
      edge => edge?.inFlight === 0,
    )
    t.like(row, { accepted: 9, delivered: 8, dropped: { 'thread-died': 1 }, inFlight: 0 })
    await end(t, edge)
  },
)
