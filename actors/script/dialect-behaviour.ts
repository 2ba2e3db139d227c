import { scope } from '../../runtime/script/scope.ts'
import type { Context } from '../context.ts'
import type { Callback } from '../filters/definition.ts'
import { type FilterDefinition, filtersByName } from '../filters/index.ts'
import type { Step } from './script-definition.ts'

/** A callback of the dialect: it finds the context in the scope, and is given only what Pipy gives it. */
export function inScope(callback: Callback): Callback {
  const call = callback as unknown as (...subjects: unknown[]) => unknown
  // Parameters by name: a rest parameter would allocate an array per event. Only onStart may have more than three subjects.
  return function (a: unknown, b?: unknown, c?: unknown, d?: unknown): unknown {
    const outer = scope.current
    // biome-ignore lint/complexity/noArguments: only its length is read
    const count = arguments.length
    // biome-ignore lint/complexity/noArguments: not on the hot path
    if (count > 4) return inScopeOf(call, [...arguments])
    scope.current = (count > 3 ? d : count === 3 ? c : count === 2 ? b : a) as object
    try {
      return count > 3 ? call(a, b, c) : count === 3 ? call(a, b) : count === 2 ? call(a) : call()
    } finally {
      scope.current = outer
    }
  } as Callback
}

function inScopeOf(call: (...subjects: unknown[]) => unknown, given: unknown[]): unknown {
  const outer = scope.current
  scope.current = given.pop() as object
  try {
    return call(...given)
  } finally {
    scope.current = outer
  }
}

/**
 * Filters whose older generation, told by a pipeline named as first argument, had another behaviour: demux kept the
 * order of the messages, and mux had one session per key.
 */
export function olderBehaviour(step: Step): FilterDefinition {
  const { definition, args, attached } = step
  if (definition.name === 'mux' && answersOf(args) === 1)
    return filtersByName.get('muxQueue') as FilterDefinition
  if (attached !== undefined || typeof args[0] !== 'string') return definition
  if (definition.name === 'demux') return filtersByName.get('demuxQueue') as FilterDefinition
  if (definition.name === 'mux') return filtersByName.get('muxQueue') as FilterDefinition
  return definition
}

/** `outputCount` of mux, by which a script of Pipy 1 is known: 0 for no answers, 1 for one to each message, in order. */
function answersOf(args: readonly unknown[]): unknown {
  const options = args.at(-1)
  return typeof options === 'object' && options !== null && 'outputCount' in options
    ? options.outputCount
    : undefined
}

/** Without `outputCount`, when what it asks for is what the filter does anyway. */
function withoutAnswers(args: readonly unknown[]): readonly unknown[] {
  const count = answersOf(args)
  if (count !== 0 && count !== 1) return args
  const { outputCount: _, ...options } = args.at(-1) as { outputCount: unknown }
  return [...args.slice(0, -1), options]
}

const isOptions = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype

/** Without a key, connections of Pipy's older generations are those of the client's connection, and of no other. */
function withInboundKey(args: readonly unknown[]): readonly unknown[] {
  const [target, ...rest] = args
  const hasKey = rest.length > 0 && !isOptions(rest[0]) && rest[0] !== undefined
  return hasKey ? args : [target, () => (scope.current as Context).__inbound, ...rest]
}

export function olderArguments(step: Step, definition: FilterDefinition): readonly unknown[] {
  const isOlder = step.attached === undefined && typeof step.args[0] === 'string'
  if (definition.name === 'muxHTTP' && isOlder) return withInboundKey(step.args)
  if (step.definition.name === 'mux' && answersOf(step.args) !== undefined) return withoutAnswers(step.args)
  if (definition === step.definition || definition.name !== 'muxQueue') return step.args
  const [target, key, options] = step.args
  return [target, key, { maxSessions: 1, ...(options as object | undefined) }]
}
