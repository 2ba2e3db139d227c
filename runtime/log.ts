/**
 * What the lower floors need to know of logging: something to say things to. Who writes them, where and in what form
 * is decided above (observability/log.ts); a thread gets its logger from the composition root.
 */

export const logLevels = ['debug', 'info', 'warn', 'error'] as const
export type LogLevel = (typeof logLevels)[number]

/** What a line is about, by who has to act on it: `source` of its fields. A line without one is about the process. */
export const logTopics = ['downstream', 'upstream', 'script', 'cluster', 'internal'] as const
export type LogTopic = (typeof logTopics)[number]

/** From which level on lines are written: for all, or for all but some topics, which have a level of their own. */
export type LogThreshold =
  | LogLevel
  | { readonly all: LogLevel; readonly topics: Readonly<Partial<Record<LogTopic, LogLevel>>> }

/** Plain data that goes with a message. It must survive a postMessage, so: numbers, text, booleans, arrays, objects. */
export interface LogFields {
  /** Stable name of what happened (a `FaultCode`, or a noun with a participle like `ThreadReady`); repeats are limited per code. */
  readonly code?: string
  /** Who has to act: a `FaultSource`. */
  readonly source?: string
  readonly [field: string]: unknown
}

export interface Logger {
  /** Whether this level is written at all: ask before building an expensive message. */
  isEnabled(level: LogLevel): boolean
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
}

const nothing = (): void => {}

/** Says nothing to anyone: for tests and for parts that were given no logger. */
export const noLog: Logger = {
  isEnabled: () => false,
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
}
