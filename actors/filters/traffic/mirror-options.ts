import {
  count,
  duration,
  isFunction,
  type OptionSpec,
  type OptionSpecs,
  optional,
  parseOptions,
  type Resolved,
  size,
} from '../../../runtime/options.ts'
import { parseRules } from './redaction.ts'

/** Fields that differ between any two answers, or tell of the server and not of the answer. */
export const everDiffering = [
  'age',
  'date',
  'server-timing',
  'set-cookie',
  'traceparent',
  'x-request-id',
] as const

const isTexts = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every(each => typeof each === 'string' && each !== '')

const compareOptions = {
  ignoreHeaders: {
    kind: 'a list of names',
    fallback: [],
    shown: '[]',
    doc: `Fields that are not compared, beside ${everDiffering.join(', ')}.`,
    parse: value => (isTexts(value) ? value.map(name => name.toLowerCase()) : undefined),
  } as OptionSpec<readonly string[]>,
  ignoreBody: {
    kind: "a list of names, regular expressions and JSON paths like '$.time'",
    fallback: [],
    shown: '[]',
    doc: 'Members of JSON bodies that are not compared.',
    parse: parseRules,
  } as OptionSpec<readonly (string | RegExp)[]>,
  bodyLimit: size(
    1024 * 1024,
    'Bytes of a body that are compared in detail; longer ones are compared by a hash.',
  ),
} as const satisfies OptionSpecs

export type CompareSettings = Resolved<typeof compareOptions>

/** Fields to set, or to take away (null). */
export type HeaderChanges = Readonly<Record<string, string | null>>

export const mirrorOptions = {
  share: {
    kind: 'a number from 0 to 1',
    fallback: 1,
    shown: '1',
    doc: 'Share of the requests that are mirrored.',
    parse: value => (typeof value === 'number' && value >= 0 && value <= 1 ? value : undefined),
  } as OptionSpec<number>,
  by: optional(
    'a function (start, ctx) => key',
    'Decides by a key, like that of a user, whether a request belongs to the share: all of one key do, or none. Without it chance decides.',
    isFunction,
  ),
  when: optional('a function (start, ctx) => boolean', 'Which requests may be mirrored at all.', isFunction),
  headers: {
    kind: "an object of fields, like { 'x-mirrored': '1', cookie: null }",
    fallback: {},
    shown: '{}',
    doc: 'Fields to set in mirrored requests, or to take away (null).',
    parse: value =>
      typeof value === 'object' &&
      value !== null &&
      Object.values(value).every(each => each === null || typeof each === 'string')
        ? (value as HeaderChanges)
        : undefined,
  } as OptionSpec<HeaderChanges>,
  compare: {
    kind: 'an object of options, or true for their defaults',
    fallback: null,
    shown: 'none',
    doc: "Compares the mirror's answer with the one that the client gets: { ignoreHeaders: ['etag'], ignoreBody: ['$.time'], bodyLimit: '1m' }, or true. Each difference goes to onDifference and to the pipeline of .to(…).",
    parse: value =>
      value === false
        ? null
        : parseOptions(compareOptions, value === true ? undefined : value, 'option compare of mirror'),
  } as OptionSpec<CompareSettings | null>,
  onDifference: optional(
    'a function (difference, ctx) => void',
    'Told of each pair of answers that differ.',
    isFunction,
  ),
  window: size(
    1024 * 1024,
    'Bytes of a request that may wait for a mirror that is slow; then that copy is dropped.',
  ),
  maxBranches: count(
    256,
    'Copies under way at one time in a thread; further ones are dropped. Bounds the connections that a stalled mirror costs.',
    1,
  ),
  connectTimeout: duration(5_000, 'Time to connect to the mirror.'),
  readTimeout: duration(
    30_000,
    'Time in which the mirror must say something; then its copy is given up. Frees the branches that a stalled mirror holds.',
  ),
} as const satisfies OptionSpecs

export type MirrorSettings = Resolved<typeof mirrorOptions>
