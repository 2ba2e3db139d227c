import { dialectGlobals as api } from '../../runtime/api/index.ts'
import { withInstance } from '../../runtime/api/instance.ts'
import type { DialectModule } from '../../runtime/script/dialect-modules.ts'
import { Hub } from '../filters/compose/swap.ts'
import { ScriptBuilder } from './builder.ts'

/** Begins a script in Pipy's dialect; the same as `sluice`, but its callbacks find the context by themselves. */
const pipyOf = (module?: DialectModule): object =>
  withInstance(
    (variables?: object | (() => object)): ScriptBuilder => new ScriptBuilder(variables, true, module),
  )

/** What a script in Pipy's dialect finds as global names; the thread adds its console. */
export const dialectGlobals: Readonly<Record<string, unknown>> = {
  ...api,
  pipy: pipyOf(),
  pipeline: { Hub },
}

/** What each file of such a script finds in their place: a `pipy` that knows the file. */
export const dialectModuleGlobals = (module: DialectModule): Readonly<Record<string, unknown>> => ({
  pipy: Object.assign(pipyOf(module), { solve: (path: string) => module.solve(path) }),
})
