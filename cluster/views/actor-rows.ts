import type { ActorRow } from '../../actors/host.ts'
import { short, table } from './table.ts'
import { omittedOf, type ViewAnswer } from './view-messages.ts'

/** An actor, and where it lives. */
export interface PlacedActor extends ActorRow {
  readonly node: string
  readonly thread: number
}

/** How many actors of a pipeline a node has. */
export interface ActorCount {
  readonly pipeline: string
  readonly node: string
  readonly thread: number
  readonly count: number
}

export interface ActorsAnswer {
  readonly counts: readonly ActorCount[]
  readonly actors: readonly PlacedActor[]
  /** Actors that are not listed. */
  readonly omitted: number
}

const byPlace = (
  a: { pipeline: string; node: string; thread: number },
  b: { pipeline: string; node: string; thread: number },
): number => a.pipeline.localeCompare(b.pipeline) || a.node.localeCompare(b.node) || a.thread - b.thread

export function actorRows(answers: readonly ViewAnswer[]): ActorsAnswer {
  const threads = answers.flatMap(({ node, actors }) => (actors ?? []).map(each => ({ ...each, node })))
  return {
    counts: threads
      .flatMap(({ node, thread, counts }) =>
        Object.entries(counts).map(([pipeline, count]) => ({ pipeline, node, thread, count })),
      )
      .sort(byPlace),
    actors: threads
      .flatMap(({ node, thread, actors }) => actors.map(actor => ({ ...actor, node, thread })))
      .sort((a, b) => byPlace(a, b) || a.key.localeCompare(b.key)),
    omitted: omittedOf(answers),
  }
}

/** @param pipeline the one that was asked for; undefined: all */
export function showActors({ counts, actors, omitted }: ActorsAnswer, pipeline?: string): string {
  if (counts.length === 0)
    return pipeline === undefined
      ? 'No node hosts a shared pipeline.\n'
      : `No node hosts a shared pipeline '${pipeline}'.\n`
  const totals = table<ActorCount>(
    [
      { title: 'PIPELINE', value: ({ pipeline }) => pipeline },
      { title: 'NODE', value: ({ node }) => node },
      { title: 'THREAD', value: ({ thread }) => thread },
      { title: 'ACTORS', value: ({ count }) => count },
    ],
    counts,
  )
  if (actors.length === 0) return totals
  const keys = table<PlacedActor>(
    [
      { title: 'PIPELINE', value: ({ pipeline }) => pipeline },
      { title: 'KEY', value: ({ key }) => short(key) || '(one for all)' },
      { title: 'NODE', value: ({ node }) => node },
      { title: 'THREAD', value: ({ thread }) => thread },
      { title: 'PLACEMENT', value: ({ placement }) => placement },
      { title: 'STATE', value: ({ state }) => state },
      { title: 'WAITING', value: ({ waiting }) => waiting },
    ],
    actors,
  )
  const more = omitted > 0 ? `… and ${omitted} more; --limit shows more of them.\n` : ''
  return `${totals}\n${keys}${more}`
}
