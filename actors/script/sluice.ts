import { type Instance, withInstance } from '../../runtime/api/instance.ts'
import { sluice as begin } from './builder.ts'

/**
 * Begins a script; its members are those of the process that runs it.
 *
 * @example
 *   const config = JSON.decode(sluice.load('config.json'))
 *   export default sluice({ user: '' }).listen(config.port)…
 */
export const sluice: typeof begin & Instance = withInstance(
  <V extends object = Record<never, never>>(variables?: V | (() => V)) => begin<V>(variables),
)
