import { Data } from '../data.ts'

type Replacer = ((this: unknown, key: string, value: unknown) => unknown) | (string | number)[] | null

/** The JSON of JavaScript, and the same for bytes. */
export interface DataJSON extends JSON {
  /** JSON text of a value as UTF-8 bytes; undefined for what has no JSON, like undefined and functions. */
  encode(value: unknown, replacer?: Replacer, space?: string | number): Data | undefined
  /** The value that bytes hold as JSON; undefined when they hold none or are missing. */
  // biome-ignore lint/suspicious/noExplicitAny: like JSON.parse, since what comes is for the caller to know.
  decode(data: Data | null | undefined): any
}

const encode = (value: unknown, replacer?: Replacer, space?: string | number): Data | undefined => {
  const text: string | undefined = JSON.stringify(value, replacer as (string | number)[], space)
  return text === undefined ? undefined : new Data(text)
}

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
