import { every, wallMs } from '../runtime/clock.ts'
import { type LogFields, type Logger, type LogLevel, type LogThreshold, logLevels } from '../runtime/log.ts'
import { continued, printable, printableJSON } from '../runtime/printable.ts'

/** One thing that was said, as it travels from the thread that said it to the main thread, which writes it. */
export interface LogRecord {
  /** Milliseconds since the epoch. */
  readonly timeMs: number
  readonly level: LogLevel
  readonly message: string
  readonly fields: LogFields
  /** The thread that said it; undefined: the main thread. */
  readonly thread: number | undefined
}

export type LogSink = (record: LogRecord) => void

export interface LoggerOptions {
  readonly level: LogThreshold
  readonly thread?: number | undefined
  readonly sink: LogSink
  /** Asked with each line for what is true of all that is said just now, like the trace. What the line says itself goes before. */
  readonly circumstances?: (() => LogFields | undefined) | undefined
}

/** Warnings and errors of one code are written this often per second; the rest of that second is counted. */
const repeatsPerSecond = 10

/** Index of the least level that is written, by topic; '' for all others. */
function thresholds(level: LogThreshold): ReadonlyMap<string, number> {
  if (typeof level === 'string') return new Map([['', logLevels.indexOf(level)]])
  const of = Object.entries(level.topics).map(([topic, each]) => [topic, logLevels.indexOf(each)] as const)
  return new Map([['', logLevels.indexOf(level.all)], ...of])
}

/** A logger that passes on what is at or above `level`, and of a flood of like warnings only the first and the count. */
export function createLogger(options: LoggerOptions): Logger {
  const least = thresholds(options.level)
  const lowest = Math.min(...least.values())
  const pass = (level: LogLevel, message: string, fields: LogFields): void =>
    options.sink({
      timeMs: wallMs(),
      level,
      message,
      fields: { ...options.circumstances?.(), ...fields },
      thread: options.thread,
    })
  const repeats = new Repeats(pass)
  const say = (level: LogLevel, message: string, fields: LogFields = {}): void => {
    const rank = logLevels.indexOf(level)
    if (rank < lowest || rank < (least.get(fields.source ?? '') ?? (least.get('') as number))) return
    const isLimited = level === 'warn' || level === 'error'
    if (isLimited && !repeats.admit(level, fields.code ?? message)) return
    pass(level, message, fields)
  }
  return {
    // What a line will be about is not known yet.
    isEnabled: level => logLevels.indexOf(level) >= lowest,
    debug: (message, fields) => say('debug', message, fields),
    info: (message, fields) => say('info', message, fields),
    warn: (message, fields) => say('warn', message, fields),
    error: (message, fields) => say('error', message, fields),
  }
}

interface Repeat {
  readonly level: LogLevel
  admitted: number
  suppressed: number
}

class Repeats {
  private readonly seen = new Map<string, Repeat>()
  private readonly pass: (level: LogLevel, message: string, fields: LogFields) => void
  private cancelTimer: (() => void) | undefined

  constructor(pass: (level: LogLevel, message: string, fields: LogFields) => void) {
    this.pass = pass
  }

  admit(level: LogLevel, key: string): boolean {
    this.cancelTimer ??= every(1000, () => this.endSecond())
    const repeat = this.seen.get(key)
    if (repeat === undefined) {
      this.seen.set(key, { level, admitted: 1, suppressed: 0 })
      return true
    }
    if (repeat.admitted < repeatsPerSecond) {
      repeat.admitted++
      return true
    }
    repeat.suppressed++
    return false
  }

  /** Says what was left out, and rests when the second was a silent one. */
  private endSecond(): void {
    if (this.seen.size === 0) {
      this.cancelTimer?.()
      this.cancelTimer = undefined
    }
    for (const [key, { level, suppressed }] of this.seen) {
      if (suppressed > 0)
        this.pass(level, `${suppressed} more like this in one second`, { code: key, suppressed })
    }
    this.seen.clear()
  }
}

/** Writes records as lines of JSON, for programs: `{"time","level","code","source","message","thread",…}`. */
export function jsonLines(write: (line: string) => void): LogSink {
  return ({ timeMs, level, message, fields, thread }) => {
    const { code, source, ...rest } = fields
    const time = new Date(timeMs).toISOString()
    write(`${printableJSON(stringify({ time, level, code, source, message, thread, ...rest }))}\n`)
  }
}

const colors: Readonly<Record<LogLevel, string>> = {
  debug: '\x1b[2m',
  info: '\x1b[36m',
  warn: '\x1b[33m',
  error: '\x1b[31m',
}
const plain = '\x1b[0m'

/**
 * Writes records for a person at a terminal: local time, level, message, then the fields as `name=value`. Codes and
 * sources are for looking faults up, so only faults show them.
 */
export function humanLines(write: (line: string) => void, hasColors: boolean): LogSink {
  return ({ timeMs, level, message, fields, thread }) => {
    const at = new Date(timeMs)
    const time = `${at.toTimeString().slice(0, 8)}.${String(at.getMilliseconds()).padStart(3, '0')}`
    const mark = level.toUpperCase().padEnd(5)
    const { stack, code, source, ...rest } = fields
    const isFault = level === 'warn' || level === 'error'
    const details = Object.entries({ ...(isFault && { code, source }), ...rest, thread })
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => ` ${shown(name)}=${shown(value)}`)
      .join('')
    const text = continued(message)
    const tail = typeof stack === 'string' ? `\n${continued(stack)}` : ''
    if (hasColors)
      write(
        `${colors.debug}${time}${plain} ${colors[level]}${mark}${plain} ${text}${colors.debug}${details}${plain}${tail}\n`,
      )
    else write(`${time} ${mark} ${text}${details}${tail}\n`)
  }
}

/** A value of a field: a text that would break out of its line, or that a terminal would obey, is shown as JSON. */
const shown = (value: unknown): string => {
  if (typeof value !== 'string') return printableJSON(stringify(value))
  return printable(value) === value && !value.includes('\n') ? value : printableJSON(JSON.stringify(value))
}

/** JSON of anything a script may have put in a log line: what JSON cannot say becomes text, a cycle is named. */
export function stringify(value: unknown): string {
  const open: unknown[] = []
  return (
    JSON.stringify(value, function replace(this: unknown, _key, inner: unknown) {
      if (typeof inner === 'bigint' || typeof inner === 'symbol') return String(inner)
      if (typeof inner === 'function') return `function ${inner.name}`
      if (inner instanceof Error) return { message: inner.message, stack: inner.stack }
      if (typeof inner !== 'object' || inner === null) return inner
      while (open.length > 0 && open.at(-1) !== this) open.pop()
      if (open.includes(inner)) return '[circular]'
      open.push(inner)
      return inner
    }) ?? 'undefined'
  )
}
