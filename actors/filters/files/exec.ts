import { type ChildProcess, spawn } from 'node:child_process'
import { constants } from 'node:os'
import { os } from '../../../runtime/api/os.ts'
import { after } from '../../../runtime/clock.ts'
import { TrafficError } from '../../../runtime/errors.ts'
import { Data, type Event, Kind, StreamEnd } from '../../../runtime/event.ts'
import { flag, isFunction, optional, show } from '../../../runtime/options.ts'
import { turn } from '../../../runtime/turn.ts'
import type { Context } from '../../context.ts'
import { Filter } from '../../filter.ts'
import type { Callback, FilterDefinition } from '../definition.ts'
import { emitReplacement } from '../replacement.ts'
import { ReadPump, WritePump } from './stream-pump.ts'

const isEnvironment = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const options = {
  stderr: flag(
    false,
    'Puts out what the process writes to its standard error as well. By default that goes where that of Sluice goes.',
  ),
  env: optional(
    'an object of variables',
    'Environment variables of the process, over those of Sluice; undefined takes one away.',
    isEnvironment,
  ),
  onStart: optional('a callback (pid, ctx)', 'Called when the process runs.', isFunction),
  onExit: optional(
    'a callback (code, stderr, ctx)',
    'Called when the process has ended; events that it gives are put out before StreamEnd. The code of one that a signal ended is 128 and the number of the signal; stderr is the last 64 KiB that the process wrote there.',
    isFunction,
  ),
} as const

type Command = string | readonly string[] | ((ctx: Context) => unknown)

interface Plan {
  readonly command: Command
  readonly stderr: boolean
  readonly env: Readonly<Record<string, unknown>> | undefined
  readonly onStart: ((pid: number, ctx: Context) => unknown) | undefined
  readonly onExit: ((code: number, stderr: Data, ctx: Context) => unknown) | undefined
}

/** How long a process may take to end once it was told to. */
const killMs = 5000
const keptStderrBytes = 64 * 1024

/** The words of a command; undefined when it is none. */
function wordsOf(command: unknown): readonly string[] | undefined {
  const words = typeof command === 'string' ? command.split(' ').filter(word => word !== '') : command
  return Array.isArray(words) && words.length > 0 && words.every(word => typeof word === 'string')
    ? words
    : undefined
}

/**
 *     idle ──first event──► running ──exit, and all output read──► ended
 *                              └── StreamEnd in: its input is closed; pipeline stops: SIGTERM, after 5 s SIGKILL
 */
class Exec extends Filter {
  private readonly plan: Plan
  private child: ChildProcess | null = null
  private input: WritePump | null = null
  private stderr = new Data()
  private hasEnded = false
  private isStopped = false

  constructor(plan: Plan) {
    super()
    this.plan = plan
  }

  process(event: Event): void {
    if (this.hasEnded) return
    if (this.child === null) {
      if (event.kind === Kind.streamEnd) {
        this.hasEnded = true
        this.next.process(event)
        return
      }
      this.start()
    }
    if (event.kind === Kind.data) this.input?.write(event)
    else if (event.kind === Kind.streamEnd) this.input?.end()
  }

  private start(): void {
    const { command, env, onStart, stderr, onExit } = this.plan
    const { context } = this.pipeline
    const given = typeof command === 'function' ? command(context) : command
    const words = wordsOf(given)
    if (words === undefined)
      throw new TrafficError(
        'RuntimeError',
        `exec wants a command as text or an array of text, and got ${show(given)}`,
      )
    const [file, ...args] = words
    const readsStderr = stderr || onExit !== undefined
    const child = spawn(file as string, args, {
      stdio: ['pipe', 'pipe', readsStderr ? 'pipe' : 'inherit'],
      ...(env === undefined ? {} : { env: { ...os.env, ...(env as NodeJS.ProcessEnv) } }),
    })
    this.child = child
    this.input = new WritePump(child.stdin as NonNullable<typeof child.stdin>)
    // A process that does not read its input to the end is no fault: what it says by its exit counts.
    child.stdin?.on('error', () => this.input?.release())
    new ReadPump(child.stdout as NonNullable<typeof child.stdout>, this)
    if (child.stderr !== null) {
      if (stderr) new ReadPump(child.stderr, this)
      child.stderr.on('data', (bytes: Uint8Array) => this.keepStderr(bytes))
    }
    child.on('error', error => this.failed(error, file as string))
    child.on('close', (code, signal) => this.exited(code, signal))
    if (child.pid !== undefined) onStart?.(child.pid, context)
  }

  private keepStderr(bytes: Uint8Array): void {
    this.stderr.push(bytes)
    if (this.stderr.size > keptStderrBytes) this.stderr.shift(this.stderr.size - keptStderrBytes)
  }

  /** It could not be started; an error of a running process is one of telling it something. */
  private failed(error: Error, file: string): void {
    if (this.child?.pid !== undefined) return
    this.finish(() =>
      this.next.process(
        new StreamEnd(
          new TrafficError('RuntimeError', `exec could not start ${show(file)}: ${error.message}`, error),
        ),
      ),
    )
  }

  private exited(code: number | null, signal: NodeJS.Signals | null): void {
    const status = code ?? 128 + (signal === null ? 0 : constants.signals[signal])
    this.finish(() => {
      const events = this.plan.onExit?.(status, this.stderr, this.pipeline.context)
      if (events !== undefined) emitReplacement(events, this.next)
      this.next.process(new StreamEnd())
    })
  }

  private finish(work: () => void): void {
    this.input?.release()
    if (this.hasEnded || this.isStopped) return
    this.hasEnded = true
    turn.begin(null)
    this.pipeline.run(work)
    turn.end()
  }

  override stop(): void {
    this.isStopped = true
    this.input?.release()
    const { child } = this
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGTERM')
    const cancel = after(killMs, () => child.kill('SIGKILL'))
    child.on('exit', cancel)
  }
}

export const exec: FilterDefinition = {
  name: 'exec',
  aliases: [],
  signature: '(command[, options])',
  summary: 'Runs a process, with its input and output as the stream',
  doc: 'Starts a process with the first event of the stream; the bytes of Data go to its standard input, what it writes to its standard output comes out as Data, and when it has ended, StreamEnd. StreamEnd in closes its input. The command is text, whose words are separated by blanks (no shell reads it), an array of words, or a callback (ctx) that gives one. The process gets SIGTERM when the stream is closed, and SIGKILL 5 s later. One that cannot be started ends the stream with RuntimeError. MessageStart and MessageEnd are dropped.',
  accepts: 'any',
  emits: 'bytes',
  options,
  example: "$.exec(['sort', '-n'], { env: { LC_ALL: 'C' } })",
  build: call => {
    const command = call.take()
    if (typeof command !== 'function' && wordsOf(command) === undefined)
      throw new TrafficError(
        'BadOption',
        `exec wants a command as text, an array of text, or a callback that gives one, and got ${show(command)}`,
      )
    const { env, onExit, onStart, stderr } = call.options(options)
    const inContext = (callback: Callback | undefined): Callback | undefined =>
      callback && call.inContext(callback)
    const plan: Plan = {
      command: command as Command,
      env,
      stderr,
      onStart: inContext(onStart) as Plan['onStart'],
      onExit: inContext(onExit) as Plan['onExit'],
    }
    return { name: 'exec', create: () => new Exec(plan) }
  },
}
