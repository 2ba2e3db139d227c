import { printableJSON } from '../../printable.ts'
import { jsonText } from '../json.ts'
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
    return values.flatMap(value => {
      const text = encode(value)
      return text === undefined ? [] : Buffer.from(printableJSON(text))
    })
  }
}

/** A value that has no JSON costs its line, not the session that logs it. */
function encode(value: unknown): string | undefined {
  try {
    return jsonText(value)
  } catch (error) {
    return jsonText({ unwritable: (error as Error).message })
  }
}
