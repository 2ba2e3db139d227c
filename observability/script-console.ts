import { Console } from 'node:console'
import { Writable } from 'node:stream'
import { format } from 'node:util'
import type { LogFields, Logger } from '../runtime/log.ts'

const fields: LogFields = { source: 'script' }

/**
 * The `console` of scripts: what they say goes the way of all log lines, so that lines of several threads do not
 * mix, and those who collect logs find them as what they are. `log` and `info` are level info.
 */
export function scriptConsole(log: Logger): Console {
  // Methods that print several lines, like table() and group(), need a stream.
  const console = new Console({
    stdout: lineStream(line => log.info(line, fields)),
    stderr: lineStream(line => log.warn(line, fields)),
    colorMode: false,
  })
  return Object.assign(console, {
    debug: (...args: unknown[]) => log.debug(format(...args), fields),
    log: (...args: unknown[]) => log.info(format(...args), fields),
    info: (...args: unknown[]) => log.info(format(...args), fields),
    warn: (...args: unknown[]) => log.warn(format(...args), fields),
    error: (...args: unknown[]) => log.error(format(...args), fields),
  })
}

function lineStream(say: (line: string) => void): Writable {
  return new Writable({
    decodeStrings: false,
    write(text: string, _encoding, done) {
      for (const line of text.split('\n')) if (line !== '') say(line)
      done()
    },
  })
}
