/**
 * Runs seeds of the simulation, outside of the tests.
 *
 *     node test/simulation/run.ts 42          one seed, told step by step
 *     node test/simulation/run.ts 1-1000      many, and what they found
 */

import { Simulation } from './simulation.ts'

const [first = 1, last = first] = (process.argv[2] ?? '1-100').split('-').map(Number)
const pipelines = process.argv[3]?.split(',') as ['live'] | undefined
const startMs = performance.now()
let failures = 0
const totals = { sent: 0, processed: 0, duplicates: 0, dropped: 0 }
for (let seed = first; seed <= last; seed++) {
  const trace = first === last ? (text: string) => console.log(text) : undefined
  const outcome = await new Simulation({ seed, trace, ...(pipelines && { pipelines }) }).run()
  for (const field of ['sent', 'processed', 'duplicates', 'dropped'] as const) totals[field] += outcome[field]
  if (outcome.violations.length === 0) continue
  failures++
  console.log(`seed ${seed}:\n  ${outcome.violations.join('\n  ')}`)
}
console.log(
  `${failures} of ${last - first + 1} seeds failed, ${((performance.now() - startMs) / 1000).toFixed(1)} s`,
  totals,
)
