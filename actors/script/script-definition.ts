import type { FilterDefinition } from '../filters/index.ts'

/** One call of a filter, as the script made it. */
export interface Step {
  readonly definition: FilterDefinition
  readonly args: readonly unknown[]
  /** Knows where in the script the call stands. */
  readonly site: Error
  /** What `.to(…)` was given. */
  attached: unknown
}

/** A pipeline that the script defines: what feeds it, and its filters. */
export interface PipelineDefinition {
  readonly source: 'listen' | 'task' | 'pipeline'
  readonly name: string
  readonly args: readonly unknown[]
  readonly site: Error
  readonly steps: Step[]
}

/** All that a script has said, not yet checked. */
export class ScriptDefinition {
  readonly variables: Readonly<Record<string, unknown>>
  /** Callbacks find the context in the current scope instead of being given it. */
  readonly isDialect: boolean
  readonly pipelines: PipelineDefinition[] = []

  constructor(variables: Readonly<Record<string, unknown>>, isDialect: boolean) {
    this.variables = variables
    this.isDialect = isDialect
  }
}
