import { sinkKinds } from '../../observability/sinks/kinds.ts'
import type { SinkKind } from '../../observability/sinks/sink-kind.ts'
import { sinkOptions } from '../../observability/sinks/sink-options.ts'
import { code, kindsOfOptions, optionsTable, page, table } from './markdown.ts'

/** Options that only this kind has. */
const ownOptions = ({ options }: SinkKind): SinkKind['options'] =>
  Object.fromEntries(Object.entries(options).filter(([option]) => !Object.hasOwn(sinkOptions, option)))

function explain(kind: SinkKind): string {
  const own = ownOptions(kind)
  const parts = [`## ${kind.name}`, `${kind.summary}.`, kind.doc]
  if (Object.keys(own).length > 0) parts.push(optionsTable(own))
  parts.push(code('ts', kind.example))
  return parts.join('\n\n')
}

export function sinksPage(): string {
  return page(
    'Sinks',
    `Where traffic logs go, by the filters [sink](filters.md#sinkkind-options) and [logTraffic](filters.md). Each place in a script has a sink of its own in each thread. ${kindsOfOptions}`,
    table(
      ['sink', 'what'],
      sinkKinds.map(({ name, summary }) => [`[${name}](#${name})`, summary]),
    ),
    '## What all sinks promise',
    'A sink takes documents and writes them when and as it can: it never delays the traffic, and each document has exactly one outcome. It is stored; or it was stored before (a duplicate); or it is put aside with a reason, because it will never be taken (a dead letter); or it is dropped with a reason: `overflow` (no room), `closed` (the process ended before it was written), `left-on-disk` (the process ended, and the next one writes it), `disk-failed`, `companion-died` (the thread that had it died, with what it had in memory), `unopened` (the folder of the buffer could not be used any more). These add up to what was given at any moment, in the ledger of kind `sink` at `/metrics` and `/api/v1/status`.',
    'Documents go in batches, several requests at a time. What is refused for now is written again, after pauses that grow: so documents may arrive out of order, and may arrive twice where the destination does not know them by their ids. While nothing can be written they wait, in memory or on disk, up to a limit. When the process ends, sinks write what they have within the drain time-out. Sinks of a thread work in a thread of their own, its companion, unless their options hold what cannot be sent there: functions, or objects of classes.',
    '## Options of all kinds',
    optionsTable(sinkOptions),
    ...sinkKinds.map(explain),
  )
}
