/** What `handle…` and `replace…` can be about, and how a row of the table is made of it. */

import { type Event, Kind } from '../../../runtime/event.ts'
import type { Filter } from '../../filter.ts'
import type { FilterCall, FilterDefinition, StageKind } from '../definition.ts'

/** The events that a filter is about, and how texts name them. */
export interface Subject {
  readonly accepts: StageKind
  readonly text: string
  readonly selects: (event: Event) => boolean
}

const subject = (accepts: StageKind, text: string, selects: (event: Event) => boolean): Subject => ({
  accepts,
  text,
  selects,
})

export const everyEvent = subject('any', 'every event', () => true)
export const initialEvent = subject('any', 'the initial event in a stream', () => true)
export const dataEvent = subject('any', 'a Data event', event => event.kind === Kind.data && event.size > 0)
export const messageStartEvent = subject(
  'messages',
  'a MessageStart event',
  event => event.kind === Kind.messageStart,
)
export const messageEndEvent = subject(
  'messages',
  'a MessageEnd event',
  event => event.kind === Kind.messageEnd,
)
export const streamEndEvent = subject('any', 'the StreamEnd event', event => event.kind === Kind.streamEnd)

/** What is each filter's own. */
export type Names = Pick<FilterDefinition, 'name' | 'aliases' | 'example'>

/** The row of one filter, but for what its family has in common. */
type Row = Names &
  Partial<Pick<FilterDefinition, 'signature' | 'options'>> & { create(call: FilterCall): () => Filter }

/** Makes the rows of filters that do the same with different subjects; `says` is what they do, in words. */
export const family =
  (says: (subject: string) => Pick<FilterDefinition, 'signature' | 'summary' | 'doc'>) =>
  ({ accepts, text }: Omit<Subject, 'selects'>, { create, ...row }: Row): FilterDefinition => ({
    ...says(text),
    accepts,
    emits: 'same',
    options: {},
    build: call => ({ name: row.name, create: create(call) }),
    ...row,
  })
