import { Data } from '../../data.ts'
import { Logger } from './logger.ts'

/** Logs bytes: those of Data and of text, and arrays of numbers, one after the other as one record. */
export class BinaryLogger extends Logger {
  protected recordsOf(values: readonly unknown[]): readonly Buffer[] {
    return [Buffer.concat(values.map(bytesOf))]
  }
}

function bytesOf(value: unknown): Uint8Array {
  if (value instanceof Data) return value.bytes()
  if (value instanceof Uint8Array) return value
  return Array.isArray(value) ? Buffer.from(value) : Buffer.from(String(value))
}
