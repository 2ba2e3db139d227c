import { dialectGlobals as api } from '../../runtime/api/index.ts'
import { withInstance } from '../../runtime/api/instance.ts'
import { Hub } from '../filters/compose/swap.ts'
import { ScriptBuilder } from './builder.ts'

/** Begins a script in Pipy's dialect; the same as `sluice`, but its callbacks find the context by themselves. */
function pipy(variables?: object | (() => object)): ScriptBuilder {
  return new ScriptBuilder(variables, true)
}

/** What a script in Pipy's dialect finds as global names; the thread adds its console. */
export const dialectGlobals: Readonly<Record<string, unknown>> = {
  ...api,
  pipy: withInstance(pipy),
  pipeline: { Hub },
}
