import type { LogFields, Logger } from '../../runtime/log.ts'

export interface LogLine extends LogFields {
  readonly level: string
  readonly message: string
}

/** A log whose lines are given to a test. */
export function recordingLog(lines: { add(line: LogLine): void }): Logger {
  const say =
    (level: string) =>
    (message: string, fields: LogFields = {}): void =>
      lines.add({ level, message, ...fields })
  return {
    isEnabled: () => true,
    debug: say('debug'),
    info: say('info'),
    warn: say('warn'),
    error: say('error'),
  }
}
