import { scope } from '../../runtime/script/scope.ts'
import type { Callback } from '../filters/definition.ts'
import { type FilterDefinition, filtersByName } from '../filters/index.ts'
import type { Step } from './script-definition.ts'

/** A callback of the dialect: it finds the context in the scope, and is given only what Pipy gives it. */
export function inScope(callback: Callback): Callback {
  const call = callback as unknown as (...subjects: unknown[]) => unknown
  // Parameters by name: a rest parameter would allocate an array per event. No callback has more than three subjects.
  return function (a: unknown, b?: unknown, c?: unknown, d?: unknown): unknown {
    const outer = scope.current
    // biome-ignore lint/complexity/noArguments: only its length is read
    const count = arguments.length
    scope.current = (count > 3 ? d : count === 3 ? c : count === 2 ? b : a) as object
    try {
      return count > 3 ? call(a, b, c) : count === 3 ? call(a, b) : count === 2 ? call(a) : call()
    } finally {
      scope.current = outer
    }
  } as Callback
}

/**
 * Filters whose older generation, told by a pipeline named as first argument, had another behaviour: demux kept the
 * order of the messages, and mux had one session per key.
 */
export function olderBehaviour(step: Step): FilterDefinition {
  const { definition, args, attached } = step
  if (attached !== undefined || typeof args[0] !== 'string') return definition
  if (definition.name === 'demux') return filtersByName.get('demuxQueue') as FilterDefinition
  if (definition.name === 'mux') return filtersByName.get('muxQueue') as FilterDefinition
  return definition
}

export function olderArguments(step: Step, definition: FilterDefinition): readonly unknown[] {
  if (definition === step.definition || definition.name !== 'muxQueue') return step.args
  const [target, key, options] = step.args
  return [target, key, { maxSessions: 1, ...(options as object | undefined) }]
}
