import type { ExecutionContext } from 'ava'
import { Simulation } from './simulation.ts'

/** Runs simulations with these seeds; says which broke a promise, and how to see it again. */
export async function runSeeds(t: ExecutionContext, first: number, last: number): Promise<void> {
  t.timeout(300_000)
  let processed = 0
  for (let seed = first; seed <= last; seed++) {
    const outcome = await new Simulation({ seed }).run()
    processed += outcome.processed
    if (outcome.violations.length > 0)
      t.fail(`${outcome.violations.join('\n')}\nAgain, step by step: node test/simulation/run.ts ${seed}`)
  }
  t.true(processed > (last - first) * 500, `${processed} messages came: too few to have tested anything`)
}
