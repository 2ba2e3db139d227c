/** What the strict server holds: indices, data streams and templates, and what may be written to them. */

/** Types of fields that are checked; others are taken as they come. */
export type FieldType = 'date' | 'long' | 'double' | 'boolean' | 'ip' | 'keyword' | 'object'

export interface Refusal {
  readonly status: number
  readonly error: { readonly type: string; readonly reason: string }
}

export interface StoredDocument {
  readonly id: string
  readonly source: Record<string, unknown>
  readonly version: number
  readonly sequence: number
}

export class Index {
  readonly name: string
  readonly isDataStream: boolean
  /** Fields by dotted path. */
  readonly fields: ReadonlyMap<string, FieldType>
  readonly documents = new Map<string, StoredDocument>()
  sequence = 0

  constructor(name: string, isDataStream: boolean, fields: ReadonlyMap<string, FieldType>) {
    this.name = name
    this.isDataStream = isDataStream
    this.fields = fields
  }

  /** Documents of a data stream are in its backing index. */
  get backing(): string {
    return this.isDataStream ? `.ds-${this.name}-2026.01.01-000001` : this.name
  }

  put(id: string, source: Record<string, unknown>): StoredDocument {
    const version = (this.documents.get(id)?.version ?? 0) + 1
    const stored = { id, source, version, sequence: this.sequence++ }
    this.documents.set(id, stored)
    return stored
  }
}

export interface Template {
  readonly index_patterns: readonly string[]
  readonly data_stream?: object
  readonly priority?: number
  readonly template?: { readonly mappings?: Mappings; readonly settings?: object }
}

export interface Mappings {
  readonly properties?: Readonly<Record<string, Mappings & { readonly type?: string }>>
}

export const refuse = (status: number, type: string, reason: string): Refusal => ({
  status,
  error: { type, reason },
})

/** Real servers have this one from the start. */
const builtIn: Template = { index_patterns: ['logs-*-*'], data_stream: {}, priority: 100 }

export class Store {
  readonly indices = new Map<string, Index>()
  readonly templates = new Map<string, Template>([['logs', builtIn]])
  private readonly createsIndices: boolean

  /** @param createsIndices whether writing to an index that is missing makes it */
  constructor(createsIndices: boolean) {
    this.createsIndices = createsIndices
  }

  /** What is written to under this name; made from a template when it is not there. */
  target(name: string, wantsDataStream: boolean): Index | Refusal {
    const found = this.indices.get(name)
    if (found !== undefined) return found
    const problem = nameProblem(name)
    if (problem !== undefined)
      return refuse(400, 'invalid_index_name_exception', `Invalid index name [${name}], ${problem}`)
    const template = this.templateFor(name)
    if (template?.data_stream === undefined && wantsDataStream)
      return refuse(
        404,
        'index_not_found_exception',
        `no such index [${name}] and [require_data_stream] request flag is [true] and no matching index template has data stream enabled`,
      )
    if (template?.data_stream === undefined && !this.createsIndices)
      return refuse(
        404,
        'index_not_found_exception',
        `no such index [${name}] and [action.auto_create_index] ([false]) doesn't match`,
      )
    return this.create(name, template)
  }

  create(name: string, template: Template | undefined, mappings?: Mappings): Index {
    const fields = fieldsOf(mappings ?? template?.template?.mappings)
    const index = new Index(name, mappings === undefined && template?.data_stream !== undefined, fields)
    this.indices.set(name, index)
    return index
  }

  templateFor(name: string): Template | undefined {
    let best: Template | undefined
    for (const template of this.templates.values()) {
      if (!template.index_patterns.some(pattern => matches(pattern, name))) continue
      if (best === undefined || (template.priority ?? 0) > (best.priority ?? 0)) best = template
    }
    return best
  }

  /** Indices that a list of names and patterns means; undefined when a plain name is missing. */
  named(expression: string): Index[] | undefined {
    if (expression === '_all' || expression === '') return [...this.indices.values()]
    const found: Index[] = []
    for (const part of expression.split(',')) {
      const some = [...this.indices.values()].filter(({ name }) => matches(part, name))
      if (some.length === 0 && !part.includes('*')) return undefined
      found.push(...some)
    }
    return found
  }
}

export const matches = (pattern: string, name: string): boolean =>
  new RegExp(`^${pattern.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*')}$`).test(name)

function nameProblem(name: string): string | undefined {
  if (name !== name.toLowerCase()) return 'must be lowercase'
  if (/[ "*\\<|,>/?#:]/.test(name))
    return "must not contain the following characters [' ','\"','*',',','/','<','>','?','\\','|']"
  if (/^[-_+]/.test(name)) return "must not start with '_', '-', or '+'"
  return name === '.' || name === '..' ? "must not be '.' or '..'" : undefined
}

function fieldsOf(mappings: Mappings | undefined): Map<string, FieldType> {
  const fields = new Map<string, FieldType>()
  const visit = (at: Mappings, prefix: string): void => {
    for (const [name, field] of Object.entries(at.properties ?? {})) {
      if (field.properties !== undefined) {
        fields.set(prefix + name, 'object')
        visit(field, `${prefix}${name}.`)
      } else fields.set(prefix + name, (field.type ?? 'object') as FieldType)
    }
  }
  if (mappings !== undefined) visit(mappings, '')
  return fields
}

/** Why a document does not fit the fields of its index. */
export function misfit(index: Index, id: string, source: Record<string, unknown>): Refusal | undefined {
  if (index.isDataStream && source['@timestamp'] === undefined)
    return refuse(
      400,
      'document_parsing_exception',
      `[1:${1}] data stream timestamp field [@timestamp] is missing`,
    )
  const visit = (value: unknown, path: string): Refusal | undefined => {
    const type = index.fields.get(path) ?? (path === '@timestamp' && index.isDataStream ? 'date' : undefined)
    if (Array.isArray(value)) return firstOf(value, each => visit(each, path))
    if (isObject(value)) {
      if (type !== undefined && type !== 'object')
        return refuse(
          400,
          'document_parsing_exception',
          `[1:1] failed to parse field [${path}] of type [${type}] in document with id '${id}'. Preview of field's value: '${preview(value)}'`,
        )
      return firstOf(Object.entries(value), ([name, inner]) =>
        visit(inner, path === '' ? name : `${path}.${name}`),
      )
    }
    if (value === null || value === undefined || type === undefined || fits(type, value)) return undefined
    return type === 'object'
      ? refuse(
          400,
          'document_parsing_exception',
          `[1:1] object mapping for [${path}] tried to parse field [${path}] as object, but found a concrete value`,
        )
      : refuse(
          400,
          'document_parsing_exception',
          `[1:1] failed to parse field [${path}] of type [${type}] in document with id '${id}'. Preview of field's value: '${preview(value)}'`,
        )
  }
  return visit(source, '')
}

function firstOf<T>(items: readonly T[], look: (item: T) => Refusal | undefined): Refusal | undefined {
  for (const item of items) {
    const found = look(item)
    if (found !== undefined) return found
  }
  return undefined
}

function fits(type: FieldType, value: unknown): boolean {
  switch (type) {
    case 'date':
      return typeof value === 'number' || (typeof value === 'string' && !Number.isNaN(Date.parse(value)))
    case 'long':
      return Number.isInteger(Number(value)) && value !== '' && typeof value !== 'boolean'
    case 'double':
      return Number.isFinite(Number(value)) && value !== '' && typeof value !== 'boolean'
    case 'boolean':
      return typeof value === 'boolean' || value === 'true' || value === 'false' || value === ''
    case 'ip':
      return typeof value === 'string' && /^([\d.]{7,15}|[\da-f:.]*:[\da-f:.]*)$/i.test(value)
    case 'object':
      return false
    default:
      return true
  }
}

const preview = (value: unknown): string => (isObject(value) ? '{…}' : String(value).slice(0, 50))

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
