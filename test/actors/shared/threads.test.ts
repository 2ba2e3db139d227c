/** Pipelines with placement 'node' in a running process: whatever thread a request comes to, its copy goes to one actor. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { makeFolder, startSluice } from '../../support/sluice.ts'
import { fetchOnce, TcpClient } from '../../support/tcp-client.ts'

/** Counts the requests by path in shared actors, which write what they have at the end of their stream. */
const script = (output: string): string => `
import { appendFileSync } from 'node:fs'
import { Message, StreamEnd, sluice } from 'sluice'

export default sluice({ path: '', paths: undefined as string[] | undefined })
  .listen('127.0.0.1:0')
  .demuxHTTP()
  .to($ =>
    $.handleMessageStart((msg, ctx) => { ctx.path = msg.head.path })
      .fork().to('count')
      .replaceMessage((_msg, ctx) => new Message({ status: 200 }, String(ctx.__thread.id))))

  .pipeline('count', { placement: 'node', key: ctx => ctx.path.split('?')[0] })
  .handleMessage((msg, ctx) => {
    (ctx.paths ??= []).push(msg.head.path + ' ' + msg.body)
  })
  .handleStreamEnd((_end, ctx) => {
    appendFileSync(${JSON.stringify(output)}, JSON.stringify(ctx.paths) + '\\n')
  })
`

interface Outcome {
  /** What each actor had seen, in its order. */
  readonly actors: string[][]
  /** Threads that answered. */
  readonly threads: Set<string>
}

/** Sends numbered requests for some paths over several connections, stops the process, and reads what was written. */
async function serve(t: ExecutionContext, threads: number): Promise<Outcome> {
  const folder = makeFolder(t, {})
  const output = join(folder, 'counts')
  const sluice = startSluice(t, [
    join(makeFolder(t, { 'main.ts': script(output) }), 'main.ts'),
    `--threads=${threads}`,
  ])
  const port = await sluice.port()
  const answered = new Set<string>()
  await Promise.all(
    Array.from({ length: 24 }, async (_, connection) => {
      const client = await TcpClient.connect(port)
      for (let i = 0; i < 20; i++) {
        client.forget()
        const path = `/${'abcd'[i % 4]}?${connection}.${i}`
        client.write(`POST ${path} HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\n`)
        client.write(`n${String(i).padStart(4, '0')}`)
        answered.add((await client.read(/\r\n\r\n\d$/)).at(-1) as string)
      }
      client.destroy()
    }),
  )
  sluice.signal('SIGTERM')
  t.is((await sluice.exited).code, 0)
  const actors = readFileSync(output, 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as string[])
  return { actors, threads: answered }
}

test('one thread or three: one actor per key sees every message of it, whole, each sender in order', async t => {
  const outcomes = await Promise.all([serve(t, 1), serve(t, 3)])
  t.is(outcomes[0]?.threads.size, 1)
  t.true((outcomes[1]?.threads.size ?? 0) > 1, 'the kernel spread the connections')
  for (const { actors } of outcomes) {
    t.is(actors.length, 4)
    for (const seen of actors) {
      t.is(new Set(seen.map(line => line[1])).size, 1, 'an actor sees one key')
      t.is(seen.length, 24 * 5)
      const perConnection = Map.groupBy(seen, line => /\?(\d+)\./.exec(line)?.[1])
      t.is(perConnection.size, 24)
      for (const lines of perConnection.values()) {
        const numbers = lines.map(line => Number(/\.(\d+) n0*(\d+)$/.exec(line)?.[1]))
        t.deepEqual(
          numbers,
          [...numbers].sort((a, b) => a - b),
        )
      }
    }
  }
  const sorted = outcomes.map(({ actors }) => actors.map(seen => [...seen].sort()).sort())
  t.deepEqual(sorted[0], sorted[1])
})

test('after a reload the actors of the new script take over, and those of the old one write what they have', async t => {
  const folder = makeFolder(t, {})
  const output = join(folder, 'counts')
  const sluice = startSluice(t, [
    join(makeFolder(t, { 'main.ts': script(output) }), 'main.ts'),
    '--threads=2',
  ])
  const port = await sluice.port()
  for (let i = 0; i < 10; i++) await fetchOnce(port, `/a?before.${i}`)
  sluice.signal('SIGHUP')
  await sluice.line(/Reloaded/)
  for (let i = 0; i < 10; i++) await fetchOnce(port, `/a?after.${i}`)
  sluice.signal('SIGTERM')
  t.is((await sluice.exited).code, 0)
  const seen = readFileSync(output, 'utf8').trim().split('\n')
  t.is(seen.length, 2)
  t.is(seen[0]?.match(/before/g)?.length, 10)
  t.is(seen[1]?.match(/after/g)?.length, 10)
})
