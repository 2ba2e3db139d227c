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

/** What a run of AVA came to. */
interface Run {
  passed: number
  /** The tests that failed or did not end in time, as AVA names them: file, title, message. */
  failed: string[]
  /** What failed without being a test: a process that died, an error that nobody caught. */
  broken: boolean
}

/** Runs AVA over these files, or over all, shows what it says, and counts. AVA tells the failures once more at its end. */
async function runTests(...files: string[]): Promise<Run> {
  const env = { ...process.env, NO_COLOR: '1' }
  const ava = spawn(tool('ava'), files, { cwd: root, env, stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise<number | null>(resolve => ava.on('close', resolve))
  const run: Run = { passed: 0, failed: [], broken: false }
  for await (const line of createInterface(ava.stdout)) {
    console.log(line)
    if (line.startsWith('  ✔ ')) run.passed++
    const failed = /^ {2}(?:✘ \[(?:fail|unexpected pass)\]:|◌) (.+)/.exec(line)?.[1]
    if (failed !== undefined) run.failed.push(failed)
    else if (/^\s*✘ (?!Timed out)|^\s*(Uncaught exception|Unhandled rejection) in /.test(line))
      run.broken = true
  }
  if ((await ended) !== 0 && run.failed.length === 0) run.broken = true
  return run
}

/** The file of a test that AVA calls `runtime › codec › resp › properties › any bytes`. */
function fileOf(title: string): string | undefined {
  const parts = title.split(' › ')
  for (let length = parts.length - 1; length > 0; length--) {
    const file = `test/${parts.slice(0, length).join('/')}.test.ts`
    if (existsSync(root + file)) return file
  }
  return undefined
}

/**
 * Runs up to three files with failed tests once more, by themselves. Machines that build for many stall now and then,
 * and among four thousand tests with real servers one may not survive that: it is named at the end, to be looked into.
 *
 * @returns the titles that passed then, or none when any of them failed again
 */
async function tryAgain({ failed, broken }: Run): Promise<string[]> {
  const files = new Set(failed.map(fileOf))
  if (broken || failed.length === 0 || files.size > 3 || files.has(undefined)) return []
  heading('Once more, what failed')
  const again = await runTests(...[...files].filter(file => file !== undefined))
  return again.failed.length === 0 && !again.broken ? failed : []
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
const unsteady = await tryAgain(tests)
for (const title of unsteady)
  console.log(`\nUnsteady: it failed, and passed by itself. A bug of the test or worse: ${title}`)

const failures = tests.failed.length - unsteady.length
const passed = tests.passed + unsteady.length + checks.filter(Boolean).length
const failed = failures + Number(tests.broken && failures === 0) + checks.filter(passed => !passed).length
console.log(`\n${passed} passed, ${failed} failed`)
process.exit(failed === 0 ? 0 : 1)
