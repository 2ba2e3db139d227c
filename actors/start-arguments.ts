import type { Pipeline } from './pipeline.ts'

/** Beside the pipelines, not in them: few have any, and a pipeline is made per request. */
const given = new WeakMap<Pipeline, readonly unknown[]>()

/** Gives a new pipeline what its `onStart` is called with. */
export function giveArguments(pipeline: Pipeline, values: readonly unknown[]): void {
  given.set(pipeline, values)
}

/** What `onStart` is called with: what whoever started the pipeline gave, and for the pipeline of a listener the inbound. */
export function argumentsOf(pipeline: Pipeline): readonly unknown[] {
  const values = given.get(pipeline)
  if (values !== undefined) return values
  const { __inbound } = pipeline.context
  return pipeline.session === pipeline && __inbound !== undefined ? [__inbound] : []
}

const takers = new WeakMap<Pipeline, (result: unknown) => void>()

/** Has `take` called with what `onEnd` of a pipeline returns. */
export function awaitResult(pipeline: Pipeline, take: (result: unknown) => void): void {
  takers.set(pipeline, take)
}

/** Tells who awaits it what `onEnd` has returned. */
export function giveResult(pipeline: Pipeline, result: unknown): void {
  takers.get(pipeline)?.(result)
}
