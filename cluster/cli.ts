import { writeSync } from 'node:fs'
import { availableParallelism, hostname } from 'node:os'
import { resolve } from 'node:path'
import { type Command, CommanderError, type Option } from 'commander'
import { humanLines, jsonLines, type LogSink } from '../observability/log.ts'
import { type TelemetrySettings, telemetrySettings } from '../observability/otlp/settings.ts'
import { after } from '../runtime/clock.ts'
import { TrafficError } from '../runtime/errors.ts'
import { nearest } from '../runtime/nearest.ts'
import { natsSettings } from './bus/nats-settings.ts'
import { buildCommand, type CommandOptions } from './command.ts'
import { StartFailure, TrafficNode } from './node.ts'
import type { ClusterSettings } from './settings.ts'
import { verifyScript } from './verify.ts'
import { packageVersion } from './version.ts'
import { isViewCommand } from './views/view-names.ts'

/**
 * The command line: the only file that touches the process: its arguments, environment, signals, exit code and
 * terminal. Everything below gets what it needs as values.
 *
 * Exit codes: 0 done, or all sessions finished after a signal; 1 the script cannot be used, or sessions were cut;
 * 2 the command line is wrong; 130 and 143 a second SIGINT or SIGTERM.
 */
export async function main(argv: readonly string[]): Promise<void> {
  if (isViewCommand(argv[0])) return view(argv)
  const command = buildCommand(availableParallelism())
  const script = parse(command, argv)
  const options = command.opts<CommandOptions>()
  if (options.version) return leave(0, `sluice ${packageVersion()} (Node ${process.version})\n`)
  if (options.listFilters || options.helpFilters !== undefined) {
    const { filterTable } = await import('../actors/filters/index.ts')
    const { helpFilters, listFilters } = await import('./filter-help.ts')
    if (options.listFilters) return leave(0, listFilters(filterTable))
    const name = typeof options.helpFilters === 'string' ? options.helpFilters : undefined
    const { text, isFound } = helpFilters(filterTable, name)
    return isFound ? leave(0, text) : leave(2, '', text)
  }
  if (script === undefined)
    return leave(2, '', 'sluice wants a script: sluice <script.ts|script.js> [options]; see sluice --help\n')
  const [file, ...args] = script
  const path = resolve(file)
  if (options.verify) return verify(path, args, options)
  return serve(path, args, options)
}

/** The script and its arguments; undefined when none is named. */
function parse(command: Command, argv: readonly string[]): [string, ...string[]] | undefined {
  try {
    command.parse(argv, { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode === 0) leave(0)
    leave(2, '', `${advice(command, error)}\nSee sluice --help for all options.\n`)
  }
  const [file, ...args] = command.args
  return file === undefined ? undefined : [file, ...args]
}

function advice(command: Command, error: CommanderError): string {
  const text = error.message.replace(/^error: /, '')
  const unknown = /unknown option '(-[^=']*)/.exec(text)?.[1]
  if (unknown === undefined) return text
  const near = nearest(
    unknown,
    optionsOf(command).flatMap(option => option.long ?? []),
  )
  return `Unknown option ${unknown}${near === undefined ? '' : `; did you mean ${near}?`}`
}

/** Looks at a cluster; runs no script. */
async function view(argv: readonly string[]): Promise<void> {
  const { buildViewCommand, WrongCommand } = await import('./views/commands.ts')
  const command = buildViewCommand({
    variables: process.env,
    out: text => writeAll(1, text),
    say: text => writeAll(2, text),
  })
  try {
    await command.parseAsync(argv, { from: 'user' })
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) leave(0)
      const group = command.commands.find(each => each.name() === argv[0])
      // Options belong to what the group does, which is not said: then its help says more than 'unknown option'.
      const isUnsaid = group !== undefined && group.commands.length > 0 && argv[1]?.startsWith('-') === true
      if (error.code === 'commander.help' || isUnsaid) leave(2, '', group?.helpInformation() ?? '')
      leave(2, '', `${advice(command, error)}\nSee sluice ${argv[0]} --help.\n`)
    }
    if (error instanceof WrongCommand) leave(2, '', `${error.message}\n`)
    leave(1, '', `${error instanceof Error ? error.message : error}\n`)
  }
  leave(0)
}

async function verify(script: string, args: readonly string[], options: CommandOptions): Promise<void> {
  const problem = await verifyScript({ script, args, logLevel: options.logLevel, sink: stderrSink() })
  if (problem === undefined) leave(0, `${script} can be used\n`)
  else leave(1, '', `${problem}\n`)
}

/** Of a command and those below it. */
const optionsOf = (command: Command): readonly Option[] => [
  ...command.options,
  ...command.commands.flatMap(optionsOf),
]

async function serve(script: string, args: readonly string[], options: CommandOptions): Promise<void> {
  const telemetry = telemetryOf(options)
  const node = new TrafficNode({
    script,
    args,
    threads: options.threads,
    transport: options.transport,
    reusePort: options.reusePort === true,
    logLevel: options.logLevel,
    drainTimeoutMs: options.drainTimeout,
    admin: options.adminPort,
    roles: options.roles,
    cluster: clusterOf(options),
    telemetry,
    version: packageVersion(),
    onExit: code => {
      if (!isLeaving) leaveGracefully(code).catch(error => leave(1, '', `${error}\n`))
    },
    sink: stderrSink(),
  })
  let isLeaving = false
  const leaveGracefully = async (code = 0): Promise<void> => {
    isLeaving = true
    const { cut, lostThreads } = await node.drain()
    await written()
    leave(cut === 0 && lostThreads === 0 ? code : code || 1)
  }
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    process.on(signal, () => {
      if (isLeaving) leave(code)
      leaveGracefully().catch(error => leave(1, '', `${error}\n`))
    })
  }
  process.on('SIGHUP', () => void node.reload())
  try {
    await node.start()
  } catch (error) {
    // A signal while it started: the one who handles that exits.
    if (isLeaving) return
    if (error instanceof StartFailure) leave(1, '', `${error.message}\n`)
    leave(1, '', `${TrafficError.from(error, 'UnknownError').stack}\n`)
  }
  if (node.hasSources || isLeaving) return
  const { roles } = options
  if (roles === undefined) {
    process.stderr.write('The script neither listens nor has tasks, so there is nothing to do.\n')
    await leaveGracefully()
  } else {
    const which = `${roles.length === 1 ? 'role' : 'roles'} ${roles.join(', ')}`
    process.stderr.write(
      `The script has nothing for the ${which}: it neither listens nor hosts anything there. Its listeners, tasks and pipelines say which 'role' they are for.\n`,
    )
    await leaveGracefully(1)
  }
}

/** The cluster that the command line names; undefined when it names none. */
function clusterOf({ nats, cluster, node, roles, heartbeat }: CommandOptions): ClusterSettings | undefined {
  if (nats === undefined) return undefined
  try {
    return {
      nats: natsSettings(nats, process.env),
      cluster,
      // Dots and what else host names may have would part the names of subjects.
      node:
        node ??
        hostname()
          .replace(/[^\w-]/g, '-')
          .slice(0, 64),
      roles,
      heartbeatMs: heartbeat,
    }
  } catch (error) {
    return leave(2, '', `--nats: ${TrafficError.from(error).message}\n`)
  }
}

/** A command line that asks for what cannot be ends the process, as any other wrong one. */
function telemetryOf(options: CommandOptions): TelemetrySettings | undefined {
  try {
    return telemetrySettings(options, process.env)
  } catch (error) {
    return leave(2, '', `${TrafficError.from(error).message}\nSee sluice --help for all options.\n`)
  }
}

/** Lines for a person when stderr is a terminal, else JSON for what collects them. */
function stderrSink(): LogSink {
  const write = (line: string): void => void process.stderr.write(line)
  if (!process.stderr.isTTY) return jsonLines(write)
  return humanLines(write, process.env.NO_COLOR === undefined)
}

function leave(code: number, toStdout = '', toStderr = ''): never {
  writeAll(1, toStdout)
  writeAll(2, toStderr)
  process.exit(code)
}

/**
 * Writes all of it before it returns. Streams only keep what a pipe has no room for, and the end of the process throws it
 * away (Node 24: of `sluice --help-filters | less` all behind 64 KiB).
 */
function writeAll(descriptor: 1 | 2, text: string): void {
  let bytes = Buffer.from(text)
  while (bytes.length > 0) {
    try {
      bytes = bytes.subarray(writeSync(descriptor, bytes))
    } catch (error) {
      // Nobody reads it any more.
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, roomMs)
    }
  }
}

/** How long a full pipe is left alone before it is tried again. */
const roomMs = 2

/** How long readers of what a node has written may keep it from ending. */
const lastReadMs = 2_000

/** Log lines, and what sinks have counted as written, are in the pipe: resolves then, or when nobody reads. */
async function written(): Promise<void> {
  const streams = [process.stdout, process.stderr].filter(({ writableLength }) => writableLength > 0)
  if (streams.length === 0) return
  const { promise, resolve } = Promise.withResolvers<void>()
  const cancel = after(lastReadMs, resolve)
  void Promise.all(streams.map(stream => new Promise(done => stream.write('', done)))).then(() => resolve())
  await promise
  cancel()
}
