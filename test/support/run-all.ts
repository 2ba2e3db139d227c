/**
 * `npm test`: formatting and lint, types, then all tests. The last line is `N passed, M failed`; lint and types count as
 * one each, so that a run with no failures is one in which nothing is wrong.
 */

import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { systemEnv } from './system-programs.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const tool = (name: string): string => `${root}node_modules/.bin/${name}`

const heading = (text: string): void =>
  console.log(`\n== ${text} ${'='.repeat(Math.max(0, 72 - text.length))}\n`)

/** Programs that tests run and npm does not bring, with the Debian package that does. */
const needed = [
  { program: 'openssl', debianPackage: 'openssl', why: 'makes the certificates of the TLS tests' },
  { program: 'nats-server', debianPackage: 'nats-server', why: 'carries the cluster in its tests' },
  { program: 'nginx', debianPackage: 'nginx-light', why: 'is what mirrors are held against' },
]

function prepare(): boolean {
  const missing = needed.filter(
    ({ program }) => spawnSync(program, ['version'], { stdio: 'ignore', env: systemEnv }).error,
  )
  if (missing.length === 0) return true
  const packages = missing.map(({ debianPackage }) => debianPackage)
  const command = `apt-get install -y ${packages.join(' ')}`
  if (process.getuid?.() === 0 && existsSync('/usr/bin/apt-get')) {
    spawnSync('apt-get', ['update'], { stdio: 'inherit' })
    if (spawnSync('apt-get', ['install', '-y', ...packages], { stdio: 'inherit' }).status === 0) return true
  }
  for (const { program, why } of missing) console.error(`${program} is missing: it ${why}.`)
  console.error(`On Debian and Ubuntu: sudo ${command}`)
  return false
}

/** Runs a check that passes or fails as a whole. */
const passes = (name: string, ...args: string[]): boolean =>
  spawnSync(tool(name), args, { cwd: root, stdio: 'inherit' }).status === 0

/** Runs AVA, shows what it says, and counts. */
async function runTests(): Promise<{ passed: number; failed: number }> {
  const ava = spawn(tool('ava'), ['--tap'], { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise<number | null>(resolve => ava.on('close', resolve))
  let passed = 0
  let failed = 0
  for await (const line of createInterface(ava.stdout)) {
    console.log(line)
    const result = /^(ok|not ok) \d+/.exec(line)?.[1]
    if (result === undefined || /# (SKIP|TODO)/.test(line)) continue
    if (result === 'ok') passed++
    else failed++
  }
  // A run that ends badly without naming a test has failed all the same.
  if ((await ended) !== 0 && failed === 0) failed++
  return { passed, failed }
}

heading('What the tests need')
if (!prepare()) process.exit(1)
console.log(`Node ${process.version}, ${needed.map(({ program }) => program).join(', ')}`)

heading('Format and lint')
const checks = [passes('biome', 'check', '.')]

heading('Types')
checks.push(passes('tsc', '--noEmit'))
if (checks[1]) console.log('No errors.')

heading('Tests')
const tests = await runTests()

const passed = tests.passed + checks.filter(Boolean).length
const failed = tests.failed + checks.filter(passed => !passed).length
console.log(`\n${passed} passed, ${failed} failed`)
process.exit(failed === 0 ? 0 : 1)
