import { Command, InvalidArgumentError, Option } from 'commander'
import { type LogLevel, type LogThreshold, type LogTopic, logLevels, logTopics } from '../runtime/log.ts'
import { nearest } from '../runtime/nearest.ts'
import { isName, parseDuration } from '../runtime/options.ts'
import type { TransportChoice } from './protocol.ts'

/** What the command line says, checked. */
export interface CommandOptions {
  readonly threads: number
  readonly transport: TransportChoice
  readonly reusePort?: true
  readonly verify?: true
  readonly logLevel: LogThreshold
  /** Milliseconds. */
  readonly drainTimeout: number
  readonly adminPort?: { readonly address: string; readonly port: number }
  /** As given: addresses with commas between. */
  readonly nats?: string
  readonly cluster: string
  readonly node?: string
  readonly roles?: readonly string[]
  /** Milliseconds. */
  readonly heartbeat: number
  readonly otlp?: string
  readonly traceSample?: string
  readonly traceLevel?: string
  readonly traceKeep?: string
  readonly listFilters?: true
  /** A filter's name, or true for all. */
  readonly helpFilters?: string | true
  readonly version?: true
}

const footer = `
To look at a cluster instead (each has --help; a script of such a name is run as ./nodes):
  sluice nodes | actors | edges | streams | dead-letters --nats=<url,...> --cluster=<name>

Signals:
  SIGTERM, SIGINT  stop accepting, finish what is under way, exit; a second one exits at once
  SIGHUP           load the script anew; when that fails the old one runs on

Exit codes:
  0  done; after a signal: all sessions have finished
  1  the script cannot be used; after a signal: sessions were cut at the drain time-out
  2  the command line is wrong
  130, 143  a second SIGINT, SIGTERM
`

/** The command line as commander knows it. `max` is what `--threads=max` means. */
export function buildCommand(max: number): Command {
  return new Command('sluice')
    .usage('<script.ts|script.js> [options] [-- args for the script]')
    .description('Runs a script of pipelines: a programmable proxy, gateway, mirror, logger.')
    .argument('[script]', 'the script, TypeScript or JavaScript, or in the dialect of Pipy')
    .argument('[args...]', 'arguments for the script')
    .addOption(
      new Option('--threads <n|max>', 'worker threads that serve')
        .default(1)
        .argParser(text => threads(text, max)),
    )
    .addOption(
      new Option(
        '--transport <auto|net>',
        'auto: sockets at handle level if they pass a self-test; net: node:net',
      )
        .default('auto')
        .argParser(text => oneOf(text, ['auto', 'net'])),
    )
    .option('--reuse-port', 'let other processes listen on the same ports')
    .option('--verify', 'check the script and run nothing')
    .addOption(
      new Option(
        '--log-level <level[,topic=level...]>',
        'debug, info, warn or error; for lines about one topic another: downstream, upstream, script, cluster or internal',
      )
        .default('info')
        .argParser(logThreshold),
    )
    .addOption(
      new Option('--drain-timeout <seconds>', 'how long sessions may take to finish after SIGTERM')
        .default(30_000, '30, as the grace period of Kubernetes')
        .argParser(seconds),
    )
    .addOption(
      new Option(
        '--admin-port <[[ip]:]port>',
        'serve health and metrics; on 127.0.0.1 unless an IP is named',
      ).argParser(endpoint),
    )
    .addOption(
      new Option('--nats <url,...>', 'be a node of a cluster, with these servers of NATS in its middle'),
    )
    .addOption(
      new Option('--cluster <name>', 'which cluster, of those that share a NATS')
        .default('sluice')
        .argParser(name),
    )
    .addOption(
      new Option(
        '--node <name>',
        'what this node is called, unlike all others; its host name by default',
      ).argParser(name),
    )
    .addOption(
      new Option(
        '--roles <name,...>',
        'run only what the script has for these roles, and what has none',
      ).argParser(names),
    )
    .addOption(
      new Option(
        '--heartbeat <seconds>',
        'how often a node says that it lives; silent for five, it counts as dead',
      )
        .default(1000, '1')
        .argParser(seconds),
    )
    .option(
      '--otlp <url>',
      'export traces, metrics and log lines to this OpenTelemetry collector, by OTLP over HTTP',
    )
    .option(
      '--trace-sample <0..1>',
      'share of the traces that begin here which is recorded; 1 unless OTEL_TRACES_SAMPLER says else',
    )
    .option(
      '--trace-level <level>',
      'how fine a trace is: message, filter or event; message unless SLUICE_TRACE_LEVEL says else',
    )
    .option('--trace-keep <rules>', 'also record what ends so: errors, slow:<duration>, or both with a comma')
    .option('--list-filters', 'list all filters')
    .option('--help-filters [name]', 'explain all filters, or one')
    .option('-v, --version', 'print the version')
    .helpOption('-h, --help', 'print this')
    .addHelpText('after', footer)
    .showSuggestionAfterError(false)
    .configureOutput({ writeErr: () => {}, outputError: () => {} })
    .exitOverride()
}

function threads(text: string, max: number): number {
  if (text === 'max') return max
  return within(text, 1, 1024, "a number of threads from 1 on, or 'max' for one per processor")
}

function oneOf<const T extends string>(text: string, values: readonly T[]): T {
  const value = values.find(known => known === text)
  if (value !== undefined) return value
  const near = nearest(text, values)
  throw new InvalidArgumentError(
    `It wants one of ${values.join(', ')}${near === undefined ? '.' : `; did you mean ${near}?`}`,
  )
}

/** `warn`, or `warn,script=debug`: a level, and others for what lines are about. */
function logThreshold(text: string): LogThreshold {
  const topics: Partial<Record<LogTopic, LogLevel>> = {}
  let all: LogLevel = 'info'
  for (const part of text.split(',')) {
    const [first = '', level] = part.split('=')
    if (level === undefined) all = oneOf(first, logLevels)
    else topics[oneOf(first, logTopics)] = oneOf(level, logLevels)
  }
  return Object.keys(topics).length === 0 ? all : { all, topics }
}

function seconds(text: string): number {
  const ms = parseDuration(/^[\d.]+$/.test(text) ? Number(text) : text)
  if (ms === undefined) throw new InvalidArgumentError('It wants seconds, or a time like 500ms or 2m.')
  return ms
}

function name(text: string): string {
  if (isName(text)) return text
  throw new InvalidArgumentError("It wants a name of up to 64 letters, digits, '-' and '_'.")
}

function names(text: string): string[] {
  return text.split(',').map(part => name(part.trim()))
}

function endpoint(text: string): { address: string; port: number } {
  const wanted = 'It wants a port, or an IP and a port: 9000, 0.0.0.0:9000, [::]:9000.'
  const match = /^(?:(\d+\.\d+\.\d+\.\d+|\[[\da-f:.]+\])?:)?(\d+)$/i.exec(text)
  if (match === null) throw new InvalidArgumentError(wanted)
  const address = match[1]?.replace(/^\[|\]$/g, '') ?? '127.0.0.1'
  return { address, port: within(match[2] as string, 0, 65_535, 'a port from 0 to 65535') }
}

function within(text: string, min: number, max: number, what: string): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (value >= min && value <= max) return value
  throw new InvalidArgumentError(`It wants ${what}.`)
}
