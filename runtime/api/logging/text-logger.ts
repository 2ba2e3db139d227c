import { Data } from '../../data.ts'
import { Logger } from './logger.ts'

/** Logs values as text, with a blank between two: objects as JSON, Data as the text that it holds. */
export class TextLogger extends Logger {
  protected recordsOf(values: readonly unknown[]): readonly Buffer[] {
    return [Buffer.from(values.map(textOf).join(' '))]
  }
}

function textOf(value: unknown): string {
  if (typeof value !== 'object' || value === null || value instanceof Data) return String(value)
  if (value instanceof Error) return value.stack ?? String(value)
  try {
    return JSON.stringify(value)
  } catch {
    return String(value)
  }
}
