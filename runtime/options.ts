/**
 * Options of filters and sources, defined once: the definition gives the type, the default with its reason, the
 * check of what a script passes, the row in the reference and in `--help-filters`.
 */

import { TrafficError } from './errors.ts'
import { nearest } from './nearest.ts'

export interface OptionSpec<T> {
  /** How the kind is called in errors and docs, e.g. "a duration". */
  readonly kind: string
  readonly fallback: T
  /** The default as a person would write it. */
  readonly shown: string
  /** What it does and why the default is what it is. */
  readonly doc: string
  /** The value, or undefined when it is not of this kind. */
  readonly parse: (value: unknown) => T | undefined
}

export type OptionSpecs = Readonly<Record<string, OptionSpec<unknown>>>

/** The full options that `parseOptions` gives for these specs. */
export type Resolved<S extends OptionSpecs> = {
  readonly [K in keyof S]: S[K] extends OptionSpec<infer T> ? T : never
}

const spec = <T>(
  kind: string,
  fallback: T,
  shown: string,
  doc: string,
  parse: (value: unknown) => T | undefined,
): OptionSpec<T> => ({
  kind,
  fallback,
  shown,
  doc,
  parse,
})

const durationUnits: Readonly<Record<string, number>> = {
  '': 1000,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}
const sizeUnits: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 1024,
  m: 1024 ** 2,
  g: 1024 ** 3,
  t: 1024 ** 4,
}

const scaled = (value: unknown, units: Readonly<Record<string, number>>): number | undefined => {
  if (typeof value === 'number') return value >= 0 ? value * (units[''] as number) : undefined
  if (typeof value !== 'string') return undefined
  const match = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(value)
  const unit = match && units[(match[2] as string).toLowerCase()]
  return unit ? Number(match[1]) * unit : undefined
}

/** Milliseconds of a duration as scripts write it: a number of seconds, or '500ms', '10s', '5m', '1h'. */
export const parseDuration = (value: unknown): number | undefined => scaled(value, durationUnits)

/** Bytes of a size as scripts write it: a number of bytes, or '16k', '1m', '2g' (powers of 1024). */
export const parseSize = (value: unknown): number | undefined => {
  const bytes = scaled(value, sizeUnits)
  return bytes === undefined ? undefined : Math.floor(bytes)
}

/** A time in seconds or with a unit; the option's value is milliseconds. 0 means no limit. */
export const duration = (fallbackMs: number, doc: string): OptionSpec<number> =>
  spec(
    "a duration: seconds as a number, or text like '500ms', '10s', '5m'",
    fallbackMs,
    fallbackMs === 0 ? 'none' : `${fallbackMs / 1000}s`,
    doc,
    parseDuration,
  )

/** A number of bytes. */
export const size = (fallbackBytes: number, doc: string): OptionSpec<number> =>
  spec(
    "a size: bytes as a number, or text like '16k', '1m'",
    fallbackBytes,
    showSize(fallbackBytes),
    doc,
    parseSize,
  )

/** A whole number from `min` on. */
export const count = (fallback: number, doc: string, min = 0): OptionSpec<number> =>
  spec(`a whole number from ${min} on`, fallback, String(fallback), doc, value =>
    Number.isSafeInteger(value) && (value as number) >= min ? (value as number) : undefined,
  )

export const flag = (fallback: boolean, doc: string): OptionSpec<boolean> =>
  spec('true or false', fallback, String(fallback), doc, value =>
    typeof value === 'boolean' ? value : undefined,
  )

export const oneOf = <const V extends string>(
  values: readonly V[],
  fallback: V,
  doc: string,
): OptionSpec<V> =>
  spec(`one of ${values.map(v => `'${v}'`).join(', ')}`, fallback, fallback, doc, value =>
    values.find(v => v === value),
  )

/** Anything that `accept` takes, not required. `kind` names it in errors. */
export const optional = <T>(
  kind: string,
  doc: string,
  accept: (value: unknown) => value is T,
): OptionSpec<T | undefined> =>
  spec<T | undefined>(kind, undefined, 'none', doc, value => (accept(value) ? value : undefined))

export const isText = (value: unknown): value is string => typeof value === 'string'
/** What nodes, roles and clusters are called: it stands in subjects, keys and on command lines as it is. */
export const isName = (value: unknown): value is string =>
  typeof value === 'string' && /^[\w-]{1,64}$/.test(value)
export const isFunction = (value: unknown): value is (...args: never[]) => unknown =>
  typeof value === 'function'

function showSize(bytes: number): string {
  if (bytes === Number.MAX_SAFE_INTEGER) return 'none'
  for (const unit of ['g', 'm', 'k'] as const) {
    const scale = sizeUnits[unit] as number
    if (bytes >= scale && bytes % scale === 0) return `${bytes / scale}${unit}`
  }
  return String(bytes)
}

/**
 * The full options for what a script passed (undefined: all defaults).
 *
 * @throws TrafficError `BadOption` on an unknown key (with the nearest known one) or a value of another kind.
 */
export function parseOptions<S extends OptionSpecs>(specs: S, given: unknown, owner: string): Resolved<S> {
  const result: Record<string, unknown> = {}
  for (const key in specs) result[key] = specs[key]?.fallback
  if (given === undefined || given === null) return result as Resolved<S>
  if (typeof given !== 'object')
    throw new TrafficError('BadOption', `${owner} wants an object of options, and got ${show(given)}`)
  for (const [key, value] of Object.entries(given)) {
    const known = Object.hasOwn(specs, key) ? specs[key] : undefined
    if (known === undefined) {
      const names = Object.keys(specs)
      const near = nearest(key, names)
      const advice = near
        ? `did you mean '${near}'?`
        : names.length > 0
          ? `it has ${names.join(', ')}`
          : 'it has none'
      throw new TrafficError('BadOption', `${owner} has no option '${key}'; ${advice}`)
    }
    if (value === undefined) continue
    const parsed = known.parse(value)
    if (parsed === undefined)
      throw new TrafficError(
        'BadOption',
        `option '${key}' of ${owner} wants ${known.kind}, and got ${show(value)}`,
      )
    result[key] = parsed
  }
  return result as Resolved<S>
}

/** A value as an error message shows it: short, and telling text from numbers. */
export function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 60 ? `${value.slice(0, 57)}...` : value)
  if (typeof value === 'function') return value.name ? `function ${value.name}` : 'a function'
  if (typeof value === 'object' && value !== null)
    return Array.isArray(value) ? 'an array' : `an object (${value.constructor?.name ?? 'Object'})`
  return String(value)
}
