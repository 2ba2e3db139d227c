/** The walk in docs/guides/fleet.md does what it says, command by command, and its table of variables is the code's. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import ava, { type ExecutionContext } from 'ava'
import { natsVariables } from '../../cluster/bus/nats-settings.ts'
import { freePorts } from '../support/free-ports.ts'
import { startNatsServer } from '../support/nats-server.ts'
import { runSluice, type SluiceProcess, startSluice } from '../support/sluice.ts'
import { root } from './markdown-files.ts'

const test = ava.serial

const guide = readFileSync(join(root, 'docs/guides/fleet.md'), 'utf8')

/** What the guide has people run, without what stands before: `examples/fleet.ts --nats=…`. */
const commands = [...guide.matchAll(/^bin\/sluice\.js ([^#\n]*)/gm)].map(([, line]) =>
  (line as string).trim().split(/\s+/),
)
const isNode = ([first]: readonly string[]): boolean => first === 'examples/fleet.ts'

test('the table of variables of the environment is that of the code', t => {
  const named = new Set(guide.match(/SLUICE_NATS_\w+/g))
  t.deepEqual([...named].sort(), Object.keys(natsVariables).sort())
})

const start = (t: ExecutionContext, args: readonly string[], port: number): SluiceProcess =>
  startSluice(t, args, { cwd: root, env: { PORT: String(port) } })

test('alone, and on three nodes: what the guide has one run works, and ends as it says', async t => {
  const [first] = commands.filter(isNode)
  const port = await freePorts(1)
  const alone = start(t, first as string[], port)
  await alone.port()
  const get = async (page: string): Promise<string> =>
    (await fetch(`http://127.0.0.1:${port}/${page}`)).text()
  t.regex(await get('tea'), /^Visit 1 of \/tea, counted by /)
  t.regex(await get('tea'), /^Visit 2 of \/tea/)
  alone.signal('SIGTERM')
  t.is((await alone.exited).code, 0)

  const { url } = await startNatsServer(t)
  const here = (args: readonly string[]): string[] =>
    args.map(arg => arg.replace('nats://127.0.0.1:4222', url))
  const nodes = commands
    .filter(isNode)
    .slice(1)
    .map(args => start(t, here(args), port))
  t.is(nodes.length, 3)
  await nodes[0]?.port()
  while (!/^Visit \d+ of \/tea, counted by log-\d/.test(await get('tea')));

  const views = commands.filter(args => !isNode(args))
  t.deepEqual(
    views.map(args => args.slice(0, args[0] === 'dead-letters' ? 2 : 1).join(' ')),
    [
      'nodes',
      'actors',
      'edges',
      'streams',
      'dead-letters list',
      ...['show', 'replay', 'delete'].map(verb => `dead-letters ${verb}`),
    ],
  )
  for (const args of views) {
    const { code, stdout, stderr } = await runSluice(t, here(args))
    const isMissing = /show|replay|delete/.test(args[1] ?? '')
    t.is(code, isMissing ? 1 : 0, stderr)
    if (isMissing) t.regex(stderr, /There is no dead letter 1/)
    else t.true(stdout.length > 0)
  }
  for (const node of nodes) node.signal('SIGTERM')
  for (const node of nodes) t.is((await node.exited).code, 0)
})
