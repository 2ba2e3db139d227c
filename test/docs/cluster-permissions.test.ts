/** What the reference says that a node needs to be allowed on NATS is enough, and what its tests run with. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { startNatsServer } from '../support/nats-server.ts'
import { runSluice, type SluiceProcess, startSluice } from '../support/sluice.ts'
import { root } from './markdown-files.ts'

const reference = readFileSync(join(root, 'docs/reference/cluster.md'), 'utf8')
const subjects = [
  ...(/Permissions for a node: ([^\n]*?), and what its script/.exec(reference)?.[1] ?? '').matchAll(
    /`([^`]+)`/g,
  ),
].map(([, subject]) => (subject as string).replaceAll('CLUSTER', 'guarded'))

test('a fleet runs, delivers durably and is looked at with no more rights than those', async t => {
  t.true(subjects.length >= 5, `${subjects}`)
  const allowed = JSON.stringify(subjects)
  const server = await startNatsServer(t, {
    config: `authorization { users: [
      { user: node, password: secret, permissions: { publish: ${allowed}, subscribe: ${allowed} } } ] }`,
  })
  const url = server.url.replace('//', '//node:secret@')
  const script = join(root, 'examples/fleet.ts')
  const node = (name: string, role: string): SluiceProcess =>
    startSluice(t, [script, `--nats=${url}`, '--cluster=guarded', `--node=${name}`, `--roles=${role}`], {
      env: { PORT: '0' },
    })
  const [edge, logger] = [node('edge-1', 'edge'), node('log-1', 'log')]
  const port = await edge.port()
  while (!(await (await fetch(`http://127.0.0.1:${port}/tea`)).text()).startsWith('Visit'));
  while (!logger.stdout.includes('"/tea"')) await new Promise(resolve => setImmediate(resolve))
  const { code, stdout, stderr } = await runSluice(t, ['edges', `--nats=${url}`, '--cluster=guarded'])
  t.is(code, 0, stderr)
  t.regex(stdout, /log +fork/)
  for (const each of [edge, logger]) t.notRegex(each.stderr, /permission/i)
  logger.signal('SIGTERM')
  t.is((await logger.exited).code, 0)
})
