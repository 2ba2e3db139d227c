/** The other half of the seeds: see `first-seeds.test.ts`. */

import test from 'ava'
import { runSeeds } from './seeds.ts'

test('ledgers balance, order holds, nothing durable is lost and nothing else comes twice: seeds 501 to 1000', t =>
  runSeeds(t, 501, 1000))
