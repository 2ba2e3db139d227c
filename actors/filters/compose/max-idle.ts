import { type OptionSpec, optional, parseDuration } from '../../../runtime/options.ts'

const isMaxIdle = (value: unknown): value is string | number =>
  value === -1 || parseDuration(value) !== undefined

/** For how long a shared session may be idle, as an option: by default without limit. */
export const maxIdleOption = (help: string): OptionSpec<string | number | undefined> =>
  optional('a duration, or -1 for no limit', help, isMaxIdle)

/** The same in milliseconds; -1: no limit. */
export const maxIdleMs = (maxIdle: string | number | undefined): number =>
  maxIdle === undefined || maxIdle === -1 ? -1 : (parseDuration(maxIdle) as number)
