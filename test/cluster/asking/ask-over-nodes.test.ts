/** ask over real processes: the answer comes from the node that has the key, whichever node and thread is asked. */

import test, { type ExecutionContext } from 'ava'
import { eventually } from '../../support/eventually.ts'
import { startNatsServer } from '../../support/nats-server.ts'
import { makeScript, runSluice, type SluiceProcess, startSluice } from '../../support/sluice.ts'

const script = `
import { Message, StreamEnd, sluice } from 'sluice'
export default sluice({ key: '', count: 0 })
  .listen('127.0.0.1:0', { role: 'edge' })
  .demuxHTTP().to($ => $
    .handleMessageStart((msg, ctx) => { ctx.key = msg.head.path.slice(1) })
    .ask('count', { deadline: '2s' }))
  .pipeline('count', { placement: 'cluster', role: 'counter', key: ctx => ctx.key })
  .replaceMessage((msg, ctx) => {
    if (msg.head.path === '/throw') throw new Error('as told')
    if (msg.head.path === '/mute') return undefined
    return new Message({ status: 200 }, process.argv[2] + ' ' + ++ctx.count)
  })
`

const node = (t: ExecutionContext, url: string, name: string, role: string, threads = 1): SluiceProcess =>
  startSluice(t, [
    makeScript(t, script),
    `--nats=${url}`,
    '--cluster=test',
    `--node=${name}`,
    `--roles=${role}`,
    `--threads=${threads}`,
    '--',
    name,
  ])

const get = async (port: number, key: string): Promise<string> => {
  const response = await fetch(`http://127.0.0.1:${port}/${key}`, { signal: AbortSignal.timeout(10_000) })
  return response.status === 200 ? response.text() : `${response.status}`
}

/** Asks until it is answered: nodes find each other within a second or so. */
async function untilAnswered(port: number, key: string): Promise<string> {
  for (;;) {
    const answer = await get(port, key)
    if (!/^50\d$/.test(answer)) return answer
  }
}

test('a node that no cluster knows yet answers itself what it can', async t => {
  // Without JetStream there is a connection and no membership, now or ever: so it is in the moment before a node is in.
  const server = await startNatsServer(t, { jetStream: false })
  const alone = startSluice(t, [
    makeScript(t, script),
    `--nats=${server.url}`,
    '--node=alone',
    '--admin-port=0',
    '--',
    'me',
  ])
  const admin = /http:\S+/.exec((await alone.line(/^Admin on/)).message)?.[0]
  const port = await alone.port()
  // Its thread has a connection, and so nothing to wait for.
  await eventually(() => /Connected to NATS.*"thread":0/.test(alone.stderr))
  t.is(await get(port, 'a'), 'me 1')
  t.is(await get(port, 'a'), 'me 2')
  await eventually(() =>
    /Cannot see the nodes.*JetStream is not enabled.*nats-server with -js/.test(alone.stderr),
  )
  const ready = await fetch(`${admin}/readyz`)
  t.is(ready.status, 200)
  t.regex(await ready.text(), /^ready\nnot in the cluster/)
  const { code, stderr } = await runSluice(t, ['nodes', `--nats=${server.url}`])
  t.is(code, 1)
  t.regex(stderr, /JetStream is not enabled/)
})

test('a key is answered by one node for all who ask, and by another when that has gone', async t => {
  const server = await startNatsServer(t)
  const edges = [node(t, server.url, 'edge-1', 'edge', 2), node(t, server.url, 'edge-2', 'edge')] as const
  const [first, second] = (await Promise.all(edges.map(edge => edge.port()))) as [number, number]
  t.is(await get(first, 'nobody'), '503', 'no node hosts it yet')
  const counters = [node(t, server.url, 'c-1', 'counter', 2), node(t, server.url, 'c-2', 'counter')] as const
  await untilAnswered(first, 'warm')
  await untilAnswered(second, 'warm')
  // Keys settle when both edges know both counters: each has some of them then.
  for (const port of [first, second]) {
    const owners = new Set<string>()
    while (owners.size < 2)
      for (const key of 'abcdefghij') owners.add((await get(port, key)).split(' ')[0] as string)
  }
  for (const key of 'abcdefghij') {
    const answers = [await get(first, key), await get(second, key), await get(first, key)]
    t.is(new Set(answers.map(answer => answer.split(' ')[0])).size, 1, `${answers}`)
    const counts = answers.map(answer => Number(answer.split(' ')[1]))
    t.deepEqual(counts, [counts[0] as number, (counts[0] as number) + 1, (counts[0] as number) + 2])
  }
  t.is(await get(first, 'throw'), '500')
  t.is(await get(first, 'mute'), '503')
  counters[0].signal('SIGTERM')
  t.is((await counters[0].exited).code, 0)
  for (const key of 'abcdefghij') t.regex(await untilAnswered(first, key), /^c-2 \d+$/)
})
