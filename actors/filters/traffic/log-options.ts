import {
  duration,
  flag,
  isFunction,
  isText,
  type OptionSpec,
  type OptionSpecs,
  oneOf,
  optional,
  parseOptions,
  type Resolved,
  size,
} from '../../../runtime/options.ts'
import type { BodySettings } from './body-content.ts'
import { parseRules } from './redaction.ts'

const bodyOptions = {
  limit: size(64 * 1024, 'Bytes of a body that are recorded; its true size is recorded in any case.'),
  types: {
    kind: "a list of 'json', 'text', 'xml', 'form', 'binary', media types like 'image/png' or 'image/*', or '*'",
    fallback: ['json', 'text', 'xml', 'form'],
    shown: "['json', 'text', 'xml', 'form']",
    doc: 'Which bodies are recorded, by their Content-Type.',
    parse: value => (isTexts(value) ? value.map(each => each.toLowerCase()) : undefined),
  } as OptionSpec<readonly string[]>,
  request: flag(true, 'Whether bodies of requests are recorded.'),
  response: flag(true, 'Whether bodies of responses are recorded.'),
  decompress: flag(
    false,
    'Whether bodies with a Content-Encoding are recorded as they were before. That is done on threads of its own, and not beyond the limit.',
  ),
  binary: oneOf(['omit', 'base64'], 'omit', 'What becomes of bodies that are no text.'),
} as const satisfies OptionSpecs

const keepOptions = {
  errors: flag(false, 'Always logs exchanges that failed, or were answered with 5xx.'),
  slowerThan: duration(0, 'Always logs exchanges that took so long.'),
} as const satisfies OptionSpecs

export type KeepSettings = Resolved<typeof keepOptions>

const isTexts = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every(each => typeof each === 'string' && each !== '')

/** An option that is an object of options. */
const nested = <T>(
  kind: string,
  fallback: T,
  doc: string,
  parse: (value: unknown) => T | undefined,
): OptionSpec<T> => ({ kind, fallback, shown: 'none', doc, parse })

export const logOptions = {
  bodies: nested<BodySettings | null>(
    'an object of options, true for their defaults, or false',
    null,
    "What is recorded of bodies: { limit: '64k', types: ['json', 'text', 'xml', 'form'], request: true, response: true, decompress: false, binary: 'omit' | 'base64' }, or true for these. Without it only their sizes are.",
    value =>
      value === false
        ? null
        : parseOptions(bodyOptions, value === true ? undefined : value, 'option bodies of logTraffic'),
  ),
  headers: flag(true, 'Whether the fields of heads are recorded.'),
  redact: {
    kind: "a list of names, regular expressions and JSON paths like '$.card.number'",
    fallback: [],
    shown: '[]',
    doc: "What must not leave the process. A name or regular expression is meant wherever something has a name: fields of heads, parameters of queries and forms, members of JSON, elements and attributes of XML; a path is meant in JSON. The value is written as '[redacted]'. A body in which it cannot be found for sure is left out.",
    parse: parseRules,
  } as OptionSpec<readonly (string | RegExp)[]>,
  reveal: {
    kind: 'a list of names',
    fallback: [],
    shown: '[]',
    doc: 'Credentials that are recorded all the same: authorization, cookie, proxy-authorization and set-cookie are redacted otherwise.',
    parse: value => (isTexts(value) ? value : undefined),
  } as OptionSpec<readonly string[]>,
  sample: {
    kind: 'a number from 0 to 1',
    fallback: 1,
    shown: '1',
    doc: 'Share of the exchanges that are logged; those left out are counted.',
    parse: value => (typeof value === 'number' && value >= 0 && value <= 1 ? value : undefined),
  } as OptionSpec<number>,
  keep: nested<KeepSettings>(
    'an object of options',
    { errors: false, slowerThan: 0 },
    "Exchanges that are logged whatever sample says, decided at their end: { errors: true, slowerThan: '1s' }.",
    value => parseOptions(keepOptions, value, 'option keep of logTraffic'),
  ),
  when: optional(
    'a function (exchange, ctx) => boolean',
    'Decides at the end of an exchange whether it is logged; asked after sample and keep have said yes.',
    isFunction,
  ),
  fields: optional(
    'a function (exchange, ctx) => object',
    'Fields to add to the document of an exchange, like { labels: { tenant: ctx.tenant } }; a member that is undefined is taken out of it.',
    isFunction,
  ),
  dataset: optional(
    'text',
    "Name of the kind of documents, as event.dataset. 'sluice.traffic' without it.",
    isText,
  ),
  namespace: optional(
    'text',
    "Tells environments apart, as data_stream.namespace. 'default' without it.",
    isText,
  ),
  service: optional('text', 'Name of the service whose traffic it is, as service.name.', isText),
} as const satisfies OptionSpecs

export type LogSettings = Resolved<typeof logOptions>

/** Parts what a script gave into our options and those of the sink, which refuses what it does not know. */
export function partOptions(given: unknown): { own: object; sink: object } {
  const own: Record<string, unknown> = {}
  const sink: Record<string, unknown> = {}
  for (const [key, value] of Object.entries((given as object | undefined) ?? {}))
    (Object.hasOwn(logOptions, key) ? own : sink)[key] = value
  return { own, sink }
}
