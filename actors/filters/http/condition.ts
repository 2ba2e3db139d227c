import { isFunction, type OptionSpec, optional } from '../../../runtime/options.ts'
import type { Context } from '../../context.ts'
import type { FilterCall } from '../definition.ts'

/** True or false, or a callback that is asked with each message. */
export type Condition = boolean | ((ctx: Context) => unknown)

const isCondition = (value: unknown): value is Condition => typeof value === 'boolean' || isFunction(value)

export const condition = (doc: string): OptionSpec<Condition | undefined> =>
  optional('true, false or a callback (ctx)', doc, isCondition)

/** The option as the filter asks it; undefined when the script says nothing. */
export function conditionOf(
  call: FilterCall,
  value: Condition | undefined,
): ((ctx: Context) => boolean) | undefined {
  if (value === undefined) return undefined
  if (typeof value === 'boolean') return () => value
  const callback = call.inContext(value) as (ctx: Context) => unknown
  return ctx => Boolean(callback(ctx))
}
