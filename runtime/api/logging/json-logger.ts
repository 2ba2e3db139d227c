import type { Data } from '../../data.ts'
import { dataJSON } from '../json.ts'
import { Logger } from './logger.ts'

/**
 * Logs values as JSON, each on a line of its own.
 *
 * @example
 *   const access = new logging.JSONLogger('access').toFile('access.log', { maxFileSize: '100m' })
 *   access.log({ path: msg.head.path })
 */
export class JSONLogger extends Logger {
  protected recordsOf(values: readonly unknown[]): readonly Buffer[] {
    return values.flatMap(value => encode(value)?.bytes() ?? [])
  }
}

/** A value that has no JSON costs its line, not the session that logs it. */
function encode(value: unknown): Data | undefined {
  try {
    return dataJSON.encode(value)
  } catch (error) {
    return dataJSON.encode({ unwritable: (error as Error).message })
  }
}
