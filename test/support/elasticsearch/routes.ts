/** All that the strict server answers besides `_bulk`: as much as setting up and looking at the result takes. */

import {
  type Index,
  isObject,
  type Mappings,
  type Store,
  type StoredDocument,
  type Template,
} from './store.ts'

export class Answer {
  readonly status: number
  readonly body: unknown
  readonly headers: Readonly<Record<string, string>>

  constructor(status: number, body?: unknown, headers: Readonly<Record<string, string>> = {}) {
    this.status = status
    this.body = body
    this.headers = headers
  }

  static error(
    status: number,
    type: string,
    reason: string,
    headers?: Readonly<Record<string, string>>,
  ): Answer {
    return new Answer(status, { error: { root_cause: [{ type, reason }], type, reason }, status }, headers)
  }
}

/** A major version of Elasticsearch, or what is none. */
export type Version = number | 'opensearch'

interface Call {
  readonly method: string
  readonly path: string
  readonly text: string
  readonly version: Version
}

export function otherRoutes(store: Store, call: Call): Answer {
  const { method, path } = call
  if (path === '/') return new Answer(200, greeting(call.version))
  const body = call.text === '' ? {} : parse(call.text)
  if (!isObject(body))
    return Answer.error(
      400,
      'parsing_exception',
      'Failed to parse object: expecting token of type [START_OBJECT]',
    )
  const parts = path.slice(1).split('/')
  if (parts[0] === '_index_template' && parts[1] !== undefined)
    return template(store, method, parts[1], body as unknown as Template)
  if (parts[0] === '_data_stream' && parts[1] !== undefined) return dataStream(store, method, parts[1])
  if (path === '/_cluster/health') return new Answer(200, { status: 'green', number_of_nodes: 1 })
  const [target, verb, id] = parts[0]?.startsWith('_') ? ['', ...parts] : parts
  switch (verb) {
    case '_search':
    case '_count':
      return search(store, target ?? '', verb, body)
    case '_refresh':
      return new Answer(200, { _shards: { total: 2, successful: 1, failed: 0 } })
    case '_doc':
      if (method === 'GET' && id !== undefined) return one(store.indices.get(target ?? ''), target ?? '', id)
      break
    case undefined:
      if (target !== '') return index(store, method, target as string, body)
  }
  return Answer.error(
    400,
    'illegal_argument_exception',
    `no handler found for uri [${path}] and method [${method}]`,
  )
}

const greeting = (version: Version): object => ({
  name: 'strict-1',
  cluster_name: 'strict',
  version:
    version === 'opensearch'
      ? { distribution: 'opensearch', number: '3.3.0', minimum_wire_compatibility_version: '2.19.0' }
      : {
          number: version === 9 ? '9.4.0' : '8.19.0',
          build_flavor: 'default',
          minimum_wire_compatibility_version: '8.19.0',
        },
  tagline:
    version === 'opensearch' ? 'The OpenSearch Project: https://opensearch.org/' : 'You Know, for Search',
})

function template(store: Store, method: string, name: string, body: Template): Answer {
  const found = store.templates.get(name)
  switch (method) {
    case 'PUT':
    case 'POST':
      if (!Array.isArray(body.index_patterns))
        return Answer.error(
          400,
          'action_request_validation_exception',
          'Validation Failed: 1: index patterns are missing;',
        )
      store.templates.set(name, body)
      return new Answer(200, { acknowledged: true })
    case 'DELETE':
      return store.templates.delete(name) ? new Answer(200, { acknowledged: true }) : missingTemplate(name)
    default:
      return found === undefined
        ? missingTemplate(name)
        : new Answer(200, { index_templates: [{ name, index_template: found }] })
  }
}

const missingTemplate = (name: string): Answer =>
  Answer.error(404, 'resource_not_found_exception', `index template matching [${name}] not found`)

function dataStream(store: Store, method: string, name: string): Answer {
  const found = store.indices.get(name)
  switch (method) {
    case 'PUT': {
      if (found !== undefined)
        return Answer.error(400, 'resource_already_exists_exception', `data_stream [${name}] already exists`)
      const matching = store.templateFor(name)
      if (matching?.data_stream === undefined)
        return Answer.error(
          400,
          'illegal_argument_exception',
          `no matching index template found for data stream [${name}]`,
        )
      store.create(name, matching)
      return new Answer(200, { acknowledged: true })
    }
    case 'DELETE':
      return store.indices.delete(name) ? new Answer(200, { acknowledged: true }) : missing(name)
    default:
      return found?.isDataStream
        ? new Answer(200, {
            data_streams: [
              {
                name,
                timestamp_field: { name: '@timestamp' },
                indices: [{ index_name: found.backing }],
                generation: 1,
                status: 'GREEN',
              },
            ],
          })
        : missing(name)
  }
}

const missing = (name: string): Answer =>
  Answer.error(404, 'index_not_found_exception', `no such index [${name}]`)

function index(store: Store, method: string, name: string, body: Record<string, unknown>): Answer {
  const found = store.indices.get(name)
  switch (method) {
    case 'PUT':
      if (found !== undefined)
        return Answer.error(400, 'resource_already_exists_exception', `index [${name}] already exists`)
      store.create(name, undefined, (body.mappings as Mappings | undefined) ?? {})
      return new Answer(200, { acknowledged: true, shards_acknowledged: true, index: name })
    case 'DELETE':
      return store.indices.delete(name) ? new Answer(200, { acknowledged: true }) : missing(name)
    default:
      return found === undefined
        ? missing(name)
        : new Answer(200, { [name]: { aliases: {}, mappings: {}, settings: {} } })
  }
}

function one(found: Index | undefined, name: string, id: string): Answer {
  const document = found?.documents.get(id)
  if (found === undefined) return missing(name)
  return document === undefined
    ? new Answer(404, { _index: found.backing, _id: id, found: false })
    : new Answer(200, {
        _index: found.backing,
        _id: id,
        _version: document.version,
        found: true,
        _source: document.source,
      })
}

function search(store: Store, target: string, verb: string, body: Record<string, unknown>): Answer {
  const indices = store.named(target)
  if (indices === undefined) return missing(target)
  const accepts = queryOf(body.query)
  if (accepts === undefined)
    return Answer.error(
      400,
      'parsing_exception',
      'this server knows the queries match_all, ids, term, terms, exists and bool with filter',
    )
  const hits = indices.flatMap(index =>
    [...index.documents.values()].filter(accepts).map(document => ({ index, document })),
  )
  if (verb === '_count')
    return new Answer(200, {
      count: hits.length,
      _shards: { total: 1, successful: 1, skipped: 0, failed: 0 },
    })
  const from = Number(body.from ?? 0)
  const shown = hits.slice(from, from + Number(body.size ?? 10))
  return new Answer(200, {
    took: 1,
    timed_out: false,
    _shards: { total: 1, successful: 1, skipped: 0, failed: 0 },
    hits: {
      total: { value: hits.length, relation: 'eq' },
      max_score: null,
      hits: shown.map(({ index, document }) => ({
        _index: index.backing,
        _id: document.id,
        _score: null,
        _source: document.source,
      })),
    },
  })
}

type Accepts = (document: StoredDocument) => boolean

function queryOf(query: unknown): Accepts | undefined {
  if (query === undefined) return () => true
  if (!isObject(query)) return undefined
  const [[kind, value] = []] = Object.entries(query) as [string, Record<string, unknown>][]
  switch (kind) {
    case 'match_all':
      return () => true
    case 'ids':
      return ({ id }) => ((value?.values ?? []) as string[]).includes(id)
    case 'exists':
      return ({ source }) => at(source, value?.field as string) !== undefined
    case 'term':
    case 'terms': {
      const [[path, wanted] = []] = Object.entries(value ?? {})
      const values = kind === 'terms' ? (wanted as unknown[]) : [isObject(wanted) ? wanted.value : wanted]
      return ({ source }) => [at(source, path as string)].flat().some(each => values.includes(each))
    }
    case 'bool': {
      const filters = [value?.filter ?? value?.must ?? []].flat().map(queryOf)
      return filters.includes(undefined) ? undefined : document => filters.every(filter => filter?.(document))
    }
    default:
      return undefined
  }
}

/** The value at a dotted path, whether the names are nested or written with dots. */
function at(source: unknown, path: string): unknown {
  if (!isObject(source)) return undefined
  if (path in source) return source[path]
  const dot = path.indexOf('.')
  return dot < 0 ? undefined : at(source[path.slice(0, dot)], path.slice(dot + 1))
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
