import { createRequire } from 'node:module'
import { Data } from '../data.ts'
import { TrafficError } from '../errors.ts'

const require = createRequire(import.meta.url)

/** Read when a script first asks for it: threads whose scripts have no YAML start without. */
const library = (): typeof import('yaml') => require('yaml') as typeof import('yaml')

function parsed(text: string): unknown {
  try {
    return library().parse(text) as unknown
  } catch (error) {
    throw new TrafficError('RuntimeError', `the text is no YAML: ${(error as Error).message}`, error)
  }
}

/** YAML 1.2. A document whose aliases would make it much larger than its text is refused. */
export const YAML = {
  /**
   * The value of a document; null for an empty one.
   *
   * @throws TrafficError `RuntimeError` when the text is no YAML.
   */
  parse: (text: string): unknown => parsed(String(text)),

  /** A value as a document. @param indent spaces a level, 2 if not given. */
  stringify: (value: unknown, indent = 2): string => library().stringify(value, { indent }),

  /** The same as `parse`, of UTF-8; null for null. */
  decode: (data: Data | null | undefined): unknown =>
    data === null || data === undefined ? null : parsed(data.toString()),

  /** The same as `stringify`, as UTF-8. */
  encode: (value: unknown, indent?: number): Data => new Data(YAML.stringify(value, indent)),
} as const
