import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'
import { Occurrences } from './occurrences.ts'

const launcher = fileURLToPath(new URL('../../bin/sluice.js', import.meta.url))

/** A log line of the process, as far as tests look at it. A line that is not JSON is a message alone. */
export interface Line {
  readonly message: string
  readonly code?: string
  readonly level?: string
  readonly thread?: number
}

export interface StartOptions {
  readonly cwd?: string
  readonly env?: NodeJS.ProcessEnv
  /** The Node to run it with, instead of this one. */
  readonly node?: string
  /** What to run instead of the launcher. */
  readonly program?: string
}

/** A `sluice` process under test. */
export class SluiceProcess {
  readonly child: ChildProcess
  readonly lines = new Occurrences<Line>()
  /** All that it wrote. */
  stdout = ''
  stderr = ''
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>

  constructor(args: readonly string[], options: StartOptions = {}) {
    this.child = spawn(options.node ?? process.execPath, [options.program ?? launcher, ...args], {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let rest = ''
    this.child.stdout?.setEncoding('utf8').on('data', text => {
      this.stdout += text
    })
    this.child.stderr?.setEncoding('utf8').on('data', text => {
      this.stderr += text
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) this.lines.add(readLine(line))
    })
    this.exited = new Promise(resolve => {
      this.child.on('close', (code, signal) => resolve({ code, signal }))
    })
  }

  /** The first line from here on whose message or code matches; fails when the process ends before it came. */
  async line(pattern: RegExp): Promise<Line> {
    const found = this.lines.next(line => pattern.test(line.message) || pattern.test(line.code ?? ''))
    const ended = this.exited.then(({ code, signal }) => {
      throw new Error(`sluice ended (${code ?? signal}) before it wrote ${pattern}:\n${this.stderr}`)
    })
    return Promise.race([found, ended])
  }

  /** The port of the next address it says it listens on. */
  async port(): Promise<number> {
    return Number(/:(\d+) \(/.exec((await this.line(/^Listening on/)).message)?.[1])
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name)
  }
}

function readLine(line: string): Line {
  try {
    return JSON.parse(line) as Line
  } catch {
    return { message: line }
  }
}

// How a test file that takes too long is ended: what is to be done at the exit is done then, too.
process.once('SIGTERM', () => process.exit(1))

/** Starts `sluice`; it does not outlive the test. */
export function startSluice(
  t: ExecutionContext,
  args: readonly string[],
  options?: StartOptions,
): SluiceProcess {
  const sluice = new SluiceProcess(args, options)
  const kill = (): void => void sluice.child.kill('SIGKILL')
  // A test that runs out of time is ended without its teardown.
  process.once('exit', kill)
  void sluice.exited.then(() => process.off('exit', kill))
  t.teardown(async () => {
    process.off('exit', kill)
    kill()
    await sluice.exited
  })
  return sluice
}

/** Runs `sluice` to its end. */
export async function runSluice(
  t: ExecutionContext,
  args: readonly string[],
  options?: StartOptions,
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const sluice = startSluice(t, args, options)
  const { code } = await sluice.exited
  return { code, stdout: sluice.stdout, stderr: sluice.stderr }
}

/** A folder that is gone after the test. */
export function makeFolder(t: ExecutionContext, files: Readonly<Record<string, string>> = {}): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-test-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), text)
  }
  return folder
}

/** A script in a folder that is gone after the test. Returns its path. */
export function makeScript(t: ExecutionContext, text: string, name = 'main.ts'): string {
  return join(makeFolder(t, { [name]: text }), name)
}
