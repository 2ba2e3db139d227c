import { TrafficError } from '../errors.ts'

/** All that is wrong with a script, when that is more than one thing: so that one run tells of everything. */
export class ScriptProblems extends TrafficError {
  /** At least two, in the order in which the script was read. */
  readonly problems: readonly TrafficError[]

  constructor(problems: readonly TrafficError[]) {
    super('ScriptError', `${problems.length} things are wrong with the script`)
    this.problems = problems
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return value instanceof TrafficError && 'problems' in value
  }

  /** Throws what there is: nothing, the only problem itself, or all of them together. */
  static throwAny(problems: readonly TrafficError[]): void {
    const [first] = problems
    if (first === undefined) return
    throw problems.length === 1 ? first : new ScriptProblems(problems)
  }
}
