/** examples/fleet.ts: the same script alone, and on three nodes of which one dies. */

import ava, { type ExecutionContext } from 'ava'
import { startNatsServer } from '../support/nats-server.ts'
import { runSluice, type SluiceProcess, startSluice } from '../support/sluice.ts'
import { examplePath, startExample } from './support.ts'

const test = ava.serial

const pages = ['/tea', '/cake', '/jam', '/pie', '/bun']

const visit = async (port: number, page: string): Promise<string> => {
  const response = await fetch(`http://127.0.0.1:${port}${page}`)
  return response.status === 200 ? response.text() : `${response.status}`
}

/** Pages that nodes have written, each with its logger. */
const written = (nodes: readonly SluiceProcess[]): { page: string; logger: string }[] =>
  nodes.flatMap(({ stdout }) =>
    stdout
      .split('\n')
      .filter(line => line !== '')
      .map(line => JSON.parse(line)),
  )

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise(resolve => setImmediate(resolve))
}

test('alone, the process counts and logs by itself, with no server', async t => {
  const { sluice, port } = await startExample(t, 'fleet.ts')
  t.regex(await visit(port, '/tea'), /^Visit 1 of \/tea, counted by /)
  t.regex(await visit(port, '/tea'), /^Visit 2 of \/tea/)
  await until(() => written([sluice]).length === 2)
  t.deepEqual(
    written([sluice]).map(({ page }) => page),
    ['/tea', '/tea'],
  )
})

test('on three nodes loggers share the pages; when one dies the other takes over, and every visit is logged', async t => {
  const { url } = await startNatsServer(t)
  const start = (name: string, role: string): SluiceProcess =>
    startSluice(
      t,
      [examplePath('fleet.ts'), `--nats=${url}`, `--node=${name}`, `--roles=${role}`, '--heartbeat=200ms'],
      { env: { PORT: '0' } },
    )
  const edge = start('edge-1', 'edge')
  const loggers = [start('log-1', 'log'), start('log-2', 'log')] as const
  const port = await edge.port()

  let visits = 0
  const see = async (page: string): Promise<string> => {
    const answer = await visit(port, page)
    visits++
    return answer
  }
  await untilBoth(t, see)
  for (const page of pages) {
    const [first, second] = [await see(page), await see(page)]
    const count = (text: string): number => Number(/^Visit (\d+)/.exec(text)?.[1])
    t.is(count(second), count(first) + 1, `${first} ${second}`)
  }

  loggers[0].signal('SIGKILL')
  await loggers[0].exited
  // Until the others miss it, its pages time out: the edge answers that itself.
  for (const page of pages) while (!(await see(page)).includes('log-2'));
  await until(() => written(loggers).length >= visits)
  const byPage = Map.groupBy(written(loggers), ({ page }) => page)
  t.deepEqual([...byPage.keys()].sort(), [...pages].sort())

  const edges = await runSluice(t, ['edges', `--nats=${url}`, '--json'])
  const rows = JSON.parse(edges.stdout) as { kind: string; to: string; accepted: number; delivered: number }[]
  t.like(
    rows.find(({ kind, to }) => kind === 'fork' && to === 'log'),
    { accepted: visits, delivered: visits },
  )
  edge.signal('SIGTERM')
  t.is((await edge.exited).code, 0)
})

/** Asks for pages until both loggers have answered for some. */
async function untilBoth(t: ExecutionContext, see: (page: string) => Promise<string>): Promise<void> {
  const seen = new Set<string>()
  while (seen.size < 2)
    for (const page of pages) {
      const logger = /counted by (log-\d)/.exec(await see(page))?.[1]
      if (logger !== undefined) seen.add(logger)
    }
  t.pass()
}
