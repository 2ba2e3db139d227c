/** The flagship: one command runs a fleet, kills its logger, and shows that the books balance. */

import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test from 'ava'
import { parse } from 'yaml'
import { buildCommand } from '../../cluster/command.ts'

const folder = fileURLToPath(new URL('../../examples/traffic-to-elasticsearch/', import.meta.url))
const run = promisify(execFile)

test('one command runs the fleet, and ends with books that balance, a document and its trace', async t => {
  t.timeout(150_000)
  const { stdout } = await run(process.execPath, [`${folder}run.ts`], { timeout: 140_000 })
  const count = (what: RegExp): number => Number(what.exec(stdout)?.[1])
  const proxied = count(/exchanges proxied +(\d+)/)
  const stored = count(/documents stored +(\d+)/)
  const aside = count(/put aside +(\d+)/)
  t.true(proxied >= 3500, stdout)
  t.true(aside > 0, 'Elasticsearch refused some for good')
  t.is(stored + aside + count(/dropped +(\d+)/), proxied)
  t.regex(stdout, /\(failed: 0\)/)
  t.regex(stdout, /The books balance\.\n$/)
  t.false(/4111|hush/.test(stdout), 'nothing that was to be hidden is in a document')
  t.regex(
    stdout,
    /^POST +edge-[12] .*\n {2}POST +edge-[12] /m,
    'the trace has the request and the one to the origin',
  )
  t.regex(stdout, /^write elasticsearch .* of \d+ exchanges +log-[12] /m, 'and the write that stored it')
})

test('the composition is YAML, and the flags that it gives to sluice are known', async t => {
  const { stdout } = await run(process.execPath, [`${folder}compose.ts`])
  const { services, configs, volumes } = parse(stdout) as {
    services: Record<string, { command?: string[]; configs?: { source: string }[]; volumes?: string[] }>
    configs: Record<string, { content: string }>
    volumes: Record<string, unknown>
  }
  const nodes = Object.values(services).filter(({ command }) => command?.[0] === 'bin/sluice.js')
  t.is(nodes.length, 3)
  for (const { command } of nodes) {
    const [, ...args] = command as string[]
    t.notThrows(() => buildCommand(2).parse(args, { from: 'user' }))
  }
  for (const { configs: used = [], volumes: mounted = [] } of Object.values(services)) {
    for (const { source } of used) t.is(typeof parse(configs[source]?.content ?? ''), 'object')
    for (const mount of mounted) t.true((mount.split(':')[0] as string) in volumes, mount)
  }
})

test('the script that the fleet runs is short', t => {
  const lines = readFileSync(`${folder}traffic.ts`, 'utf8').trimEnd().split('\n')
  t.true(lines.length <= 40, `${lines.length} lines`)
})
