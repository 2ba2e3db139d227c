import type { LogLevel } from '../runtime/log.ts'
import { type Flushable, turn } from '../runtime/turn.ts'
import { type LogRecord, type LogSink, stringify } from './log.ts'

/**
 * The way of log records from a worker thread to the main thread, which is the only one that writes: all records of
 * a turn are posted together; an error is posted at once, since the thread may not live to see the end of the turn.
 */
export class LogRelay implements Flushable {
  private readonly post: (records: readonly LogRecord[]) => void
  private gathered: LogRecord[] = []

  constructor(post: (records: readonly LogRecord[]) => void) {
    this.post = post
  }

  readonly sink: LogSink = record => {
    if (this.gathered.push(record) === 1) turn.defer(this)
    if (mayBeTheLast(record.level)) this.flush()
  }

  flush(): void {
    if (this.gathered.length === 0) return
    const records = this.gathered
    this.gathered = []
    try {
      this.post(records)
    } catch {
      // A field that cannot be cloned (a function, a proxy) must not silence the message that it came with.
      this.post(records.map(record => ({ ...record, fields: JSON.parse(stringify(record.fields)) })))
    }
  }
}

const mayBeTheLast = (level: LogLevel): boolean => level === 'error'
