import { Command, InvalidArgumentError, Option } from 'commander'
import { type LogLevel, logLevels } from '../runtime/log.ts'
import { nearest } from '../runtime/nearest.ts'
import { parseDuration } from '../runtime/options.ts'
import type { TransportChoice } from './protocol.ts'

/** What the command line says, checked. */
export interface CommandOptions {
  readonly threads: number
  readonly transport: TransportChoice
  readonly reusePort?: true
  readonly verify?: true
  readonly logLevel: LogLevel
  /** Milliseconds. */
  readonly drainTimeout: number
  readonly adminPort?: { readonly address: string; readonly port: number }
  readonly listFilters?: true
  /** A filter's name, or true for all. */
  readonly helpFilters?: string | true
  readonly version?: true
}

const footer = `
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
      new Option('--log-level <level>', 'debug, info, warn or error')
        .default('info')
        .argParser(text => oneOf(text, logLevels)),
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

function seconds(text: string): number {
  const ms = parseDuration(/^[\d.]+$/.test(text) ? Number(text) : text)
  if (ms === undefined) throw new InvalidArgumentError('It wants seconds, or a time like 500ms or 2m.')
  return ms
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
