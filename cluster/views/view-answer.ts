import { type ViewAnswer, viewVersion } from './view-messages.ts'

/** Whether what came is an answer: whoever may write to NATS can answer anything, and it is shown as a table. */
export function isViewAnswer(value: unknown): value is ViewAnswer {
  if (!isObject(value) || value.version !== viewVersion || typeof value.node !== 'string') return false
  const { summary, actors, edges, omitted, incarnation } = value
  return (
    (incarnation === undefined || incarnation === null || typeof incarnation === 'string') &&
    (summary === undefined || isSummary(summary)) &&
    (actors === undefined || isListOf(actors, isActorList)) &&
    (edges === undefined || isListOf(edges, isLedger)) &&
    (omitted === undefined || typeof omitted === 'number')
  )
}

type Fields = Readonly<Record<string, unknown>>

const isObject = (value: unknown): value is Fields => typeof value === 'object' && value !== null

const isListOf = (value: unknown, isOne: (each: unknown) => boolean): boolean =>
  Array.isArray(value) && value.every(isOne)

const have = (value: Fields, type: 'string' | 'number', names: readonly string[]): boolean =>
  names.every(name => typeof value[name] === type)

const areCounts = (value: unknown): boolean =>
  isObject(value) && Object.values(value).every(each => typeof each === 'number')

const isSummary = (value: unknown): boolean =>
  isObject(value) &&
  have(value, 'string', ['stage', 'version']) &&
  have(value, 'number', ['upSeconds', 'threads', 'threadsServing', 'sessions', 'connections']) &&
  isListOf(value.listeners, each => typeof each === 'string')

const isActorList = (value: unknown): boolean =>
  isObject(value) &&
  typeof value.thread === 'number' &&
  areCounts(value.counts) &&
  isListOf(
    value.actors,
    each =>
      isObject(each) &&
      have(each, 'string', ['pipeline', 'placement', 'key', 'state']) &&
      typeof each.waiting === 'number',
  )

const isLedger = (value: unknown): boolean =>
  isObject(value) &&
  have(value, 'string', ['from', 'to', 'kind']) &&
  have(value, 'number', ['accepted', 'delivered', 'duplicate', 'deadLettered', 'inFlight']) &&
  areCounts(value.dropped)
