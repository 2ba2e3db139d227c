import { resolve } from 'node:path'
import { parseOptions } from '../../options.ts'
import { type FileOptions, FileTarget, fileOptions } from './file-target.ts'
import { batchOptions, type HTTPOptions, HTTPTarget, httpOptions } from './http-target.ts'
import { StreamTarget } from './stream-target.ts'
import {
  type SyslogOptions,
  type SyslogPriority,
  SyslogServerTarget,
  SyslogTarget,
  severityOf,
  syslogOptions,
} from './syslog-target.ts'
import { type LogTarget, logTargets } from './target.ts'

/**
 * Writes what a script logs to one or more places. Nothing of it blocks the traffic: each place has a buffer of its
 * own, and what does not fit is dropped and counted as `sluice_log_records_dropped_total`.
 */
export abstract class Logger {
  readonly name: string
  private readonly targets: LogTarget[] = []

  /** @param name tells the records of this logger from those of others, where a place has room for it. */
  constructor(name: string) {
    this.name = String(name)
    // Scripts take it out of its logger: const { log } = new JSONLogger('access').toStdout()
    this.log = this.log.bind(this)
  }

  /** Adds the standard output. Returns itself. */
  toStdout(): this {
    return this.add(logTargets.obtain(['stdout'], () => new StreamTarget(process.stdout, 'stdout')))
  }

  /** Adds the standard error. Returns itself. */
  toStderr(): this {
    return this.add(logTargets.obtain(['stderr'], () => new StreamTarget(process.stderr, 'stderr')))
  }

  /**
   * Adds a file: a line for each record, appended. Returns itself.
   *
   * @throws TrafficError `BadOption`.
   */
  toFile(path: string, options?: FileOptions): this {
    const parsed = parseOptions(fileOptions, options, 'toFile')
    const file = resolve(path)
    return this.add(logTargets.obtain(['file', file, parsed], () => new FileTarget(file, parsed)))
  }

  /**
   * Adds the log of this machine, or of another one by `{ address: 'host:514' }`. Returns itself.
   *
   * @throws TrafficError `BadOption`.
   */
  toSyslog(
    priority: SyslogPriority | Lowercase<SyslogPriority> | number = 'INFO',
    options?: SyslogOptions,
  ): this {
    const severity = severityOf(priority)
    const { address } = parseOptions(syslogOptions, options, 'toSyslog')
    return this.add(
      logTargets.obtain(['syslog', this.name, severity, address], () =>
        address === undefined
          ? new SyslogTarget(this.name, severity)
          : new SyslogServerTarget(address, this.name, severity),
      ),
    )
  }

  /**
   * Adds an HTTP server, that is sent records in batches. Returns itself.
   *
   * @example
   *   new logging.JSONLogger('access').toHTTP('http://10.0.0.9:9200/_bulk', {
   *     headers: { 'content-type': 'application/x-ndjson' },
   *     batch: { size: 1000, interval: '1s' },
   *   })
   * @throws TrafficError `BadOption`.
   */
  toHTTP(url: string, options?: HTTPOptions): this {
    const parsed = parseOptions(httpOptions, options, 'toHTTP')
    const batch = parseOptions(batchOptions, parsed.batch, 'batch of toHTTP')
    return this.add(
      logTargets.obtain(['http', url, parsed, batch], () => new HTTPTarget(String(url), parsed, batch)),
    )
  }

  private add(target: LogTarget): this {
    if (!this.targets.includes(target)) this.targets.push(target)
    return this
  }

  /** Logs values, in the form of this logger. */
  log(...values: readonly unknown[]): void {
    for (const record of this.recordsOf(values)) for (const target of this.targets) target.write(record)
  }

  /** What to write, without line ends. It must not be memory that others will change. */
  protected abstract recordsOf(values: readonly unknown[]): readonly Buffer[]
}
