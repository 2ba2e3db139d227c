/** The strict server for tests: `test/support/elasticsearch/` has no AVA in it, so that examples can run it, too. */

import type { ExecutionContext } from 'ava'
import { type ElasticsearchOptions, StrictElasticsearch } from './elasticsearch/index.ts'

/** Starts it; it is gone when the test is over. */
export async function startElasticsearch(
  t: ExecutionContext,
  options?: ElasticsearchOptions,
): Promise<StrictElasticsearch> {
  const server = await StrictElasticsearch.start(options)
  t.teardown(() => server.stop())
  return server
}
