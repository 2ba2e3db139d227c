import type { DialectModule } from '../../runtime/script/dialect-modules.ts'
import type { PrebuiltPipeline } from '../filters/definition.ts'
import type { FilterDefinition } from '../filters/index.ts'
import type { PipelineLayout } from '../pipeline.ts'
import type { Program, Source } from '../program.ts'

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
  readonly source: 'listen' | 'subscribe' | 'task' | 'read' | 'pipeline'
  readonly name: string
  readonly args: readonly unknown[]
  readonly site: Error
  readonly steps: Step[]
}

/** A context variable that a module shares with others. */
export interface SharedVariable {
  readonly namespace: string
  readonly name: string
  readonly slot: string
  /** Its initial value, when it is exported. */
  readonly value: unknown
  readonly site: Error
}

/** All that a script has said, not yet checked. */
export class ScriptDefinition {
  readonly variables: Readonly<Record<string, unknown>>
  /** Callbacks find the context in the current scope instead of being given it. */
  readonly isDialect: boolean
  readonly pipelines: PipelineDefinition[] = []
  readonly exports: SharedVariable[] = []
  readonly imports: SharedVariable[] = []
  /** The file that it is, when it is one of the dialect. */
  readonly module: DialectModule | undefined
  /** What is to start before and after its own sources, in each program that is made of it. */
  newSources: (() => readonly [Source, Source]) | undefined
  /** The program that was made of it, and its own pipelines there. */
  assembled:
    | {
        readonly program: Program
        readonly pipelines: ReadonlyMap<string, PipelineLayout>
        /** The layout of a pipeline that was written by itself. */
        layoutOf(pipeline: PrebuiltPipeline): PipelineLayout
        /** The source that a pipeline of the script begins with; undefined when this node does not run it. */
        sourceOf(definition: PipelineDefinition): Source | undefined
        /** Adds a pipeline while the program runs. @throws TrafficError */
        add(definition: PipelineDefinition): Source | undefined
      }
    | undefined

  constructor(
    variables: Readonly<Record<string, unknown>>,
    isDialect: boolean,
    module: DialectModule | undefined,
  ) {
    this.isDialect = isDialect
    this.module = module
    this.variables = Object.fromEntries(
      Object.entries(variables).map(([name, value]) => [this.slot(name), value]),
    )
  }

  /** Property of the context that holds a variable. */
  slot(name: string, namespace?: string): string {
    return this.module?.slot(name, namespace) ?? name
  }
}
