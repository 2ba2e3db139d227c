/**
 * Clusters in one process, on a virtual clock, with everything going wrong that can: what Sluice promises holds all the same.
 * Half of the seeds; the others are in a file of their own, for another processor.
 */

import test from 'ava'
import { runSeeds } from './seeds.ts'

test('ledgers balance, order holds, nothing durable is lost and nothing else comes twice: seeds 1 to 500', t =>
  runSeeds(t, 1, 500))
