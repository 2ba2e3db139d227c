/** Writes `docs/reference/` from the tables in the code: `npm run docs`. A test fails when it has not been run. */

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { clusterPage } from './generator/cluster.ts'
import { commandLinePage } from './generator/command-line.ts'
import { errorsPage, httpRulesPage } from './generator/errors.ts'
import { filtersPage } from './generator/filters.ts'
import { metricsPage } from './generator/metrics.ts'
import { scriptApiPage } from './generator/script-api.ts'
import { sinksPage } from './generator/sinks.ts'
import { sourcesPage } from './generator/sources.ts'

export const referenceFolder = fileURLToPath(new URL('./reference/', import.meta.url))

/** The pages by the name of their file. */
export const pages: Readonly<Record<string, () => string>> = {
  'cluster.md': clusterPage,
  'command-line.md': commandLinePage,
  'errors.md': errorsPage,
  'filters.md': filtersPage,
  'http-rules.md': httpRulesPage,
  'metrics.md': metricsPage,
  'script-api.md': scriptApiPage,
  'sinks.md': sinksPage,
  'sources.md': sourcesPage,
}

if (import.meta.main) {
  mkdirSync(referenceFolder, { recursive: true })
  for (const [file, write] of Object.entries(pages)) writeFileSync(join(referenceFolder, file), write())
}
