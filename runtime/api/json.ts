import { Data } from '../data.ts'

type Replacer = ((this: unknown, key: string, value: unknown) => unknown) | (string | number)[] | null

/** The JSON of JavaScript, and the same for bytes. */
export interface DataJSON extends JSON {
  /**
   * JSON text of a value as UTF-8 bytes; undefined for what has no JSON, like undefined and functions. A bigint is
   * written as the number that it is, unless there is a replacer.
   */
  encode(value: unknown, replacer?: Replacer, space?: string | number): Data | undefined
  /** The value that bytes hold as JSON; undefined when they hold none or are missing. */
  // biome-ignore lint/suspicious/noExplicitAny: like JSON.parse, since what comes is for the caller to know.
  decode(data: Data | null | undefined): any
}

/** What `JSON.encode` gives, as text. */
export function jsonText(value: unknown, replacer?: Replacer, space?: string | number): string | undefined {
  try {
    return JSON.stringify(value, replacer as (string | number)[], space)
  } catch (error) {
    // The one thing that JSON.stringify refuses besides circles, and that decoded 64-bit integers are.
    if (typeof replacer === 'function' || Array.isArray(replacer)) throw error
    return JSON.stringify(value, exactBigints, space)
  }
}

const encode = (value: unknown, replacer?: Replacer, space?: string | number): Data | undefined => {
  const text = jsonText(value, replacer, space)
  return text === undefined ? undefined : new Data(text)
}

/** Known to V8 since 11.4, to TypeScript not yet. */
const { rawJSON } = JSON as JSON & { rawJSON(text: string): unknown }

/** JSON has numbers of any size. */
const exactBigints = (_key: string, value: unknown): unknown =>
  typeof value === 'bigint' ? rawJSON(String(value)) : value

const decode = (data: Data | null | undefined): unknown =>
  data === null || data === undefined ? undefined : parseOrNothing(data.toString())

const parseOrNothing = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const extend = (more: object): DataJSON => Object.assign(Object.create(JSON), more) as DataJSON

export const dataJSON: DataJSON = extend({ encode, decode })

/** For Pipy's scripts, which expect `JSON.parse` to give undefined for text that is not JSON. */
export const dialectJSON: DataJSON = extend({ encode, decode, parse: parseOrNothing })
