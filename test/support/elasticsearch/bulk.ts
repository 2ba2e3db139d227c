/** The grammar of `_bulk` and what it does to the store, as strict as the real one where a client could get it wrong. */

import { type Index, isObject, misfit, type Refusal, refuse, type Store } from './store.ts'

export const operations = ['index', 'create', 'update', 'delete'] as const
export type Operation = (typeof operations)[number]

export interface Action {
  readonly operation: Operation
  readonly index: string
  readonly id: string | undefined
  readonly requireDataStream: boolean
  /** Undefined for `delete`; text, since what is wrong with it is its item's fault alone. */
  readonly source: string | undefined
}

/** The whole request is refused. */
export class BulkSyntaxError extends Error {
  readonly type: string

  constructor(type: string, reason: string) {
    super(reason)
    this.type = type
  }
}

const knownMeta = new Set([
  '_index',
  '_id',
  'routing',
  'pipeline',
  'version',
  'version_type',
  'if_seq_no',
  'if_primary_term',
  'require_alias',
  'require_data_stream',
  'retry_on_conflict',
  'dynamic_templates',
  'list_executed_pipelines',
])

/** @throws BulkSyntaxError */
export function parseBulk(
  body: string,
  defaultIndex: string | undefined,
  requireDataStream: boolean,
): Action[] {
  if (body === '') throw new BulkSyntaxError('parse_exception', 'request body is required')
  if (!body.endsWith('\n'))
    throw new BulkSyntaxError(
      'illegal_argument_exception',
      'The bulk request must be terminated by a newline [\\n]',
    )
  const lines = body.slice(0, -1).split('\n')
  const actions: Action[] = []
  for (let at = 0; at < lines.length; ) {
    const number = at + 1
    const { operation, meta } = actionOf(lines[at++] as string, number)
    for (const name of Object.keys(meta))
      if (!knownMeta.has(name))
        throw new BulkSyntaxError(
          'illegal_argument_exception',
          `Action/metadata line [${number}] contains an unknown parameter [${name}]`,
        )
    const index = (meta._index as string | undefined) ?? defaultIndex
    if (index === undefined)
      throw new BulkSyntaxError(
        'action_request_validation_exception',
        `Validation Failed: ${actions.length + 1}: index is missing;`,
      )
    const id = meta._id as string | undefined
    if (id !== undefined && (typeof id !== 'string' || id === '' || Buffer.byteLength(id) > 512))
      throw new BulkSyntaxError(
        'illegal_argument_exception',
        `if _id is specified it must be text of 1 to 512 bytes but was [${id}]`,
      )
    if (id === undefined && (operation === 'delete' || operation === 'update'))
      throw new BulkSyntaxError('action_request_validation_exception', 'Validation Failed: 1: id is missing;')
    let source: string | undefined
    if (operation !== 'delete') {
      source = lines[at++]
      if (source === undefined || source === '')
        throw new BulkSyntaxError(
          'illegal_argument_exception',
          `Malformed content, no source behind action line [${number}]`,
        )
    }
    actions.push({
      operation,
      index,
      id,
      requireDataStream: requireDataStream || meta.require_data_stream === true,
      source,
    })
  }
  return actions
}

function actionOf(line: string, number: number): { operation: Operation; meta: Record<string, unknown> } {
  const value = parse(line)
  if (!isObject(value))
    throw new BulkSyntaxError(
      'illegal_argument_exception',
      `Malformed action/metadata line [${number}], expected START_OBJECT but found [${line.slice(0, 20)}]`,
    )
  const [[operation, meta] = [], ...more] = Object.entries(value)
  if (!operations.includes(operation as Operation))
    throw new BulkSyntaxError(
      'illegal_argument_exception',
      `Malformed action/metadata line [${number}], expected field [create], [delete], [index] or [update] but found [${operation}]`,
    )
  if (!isObject(meta) || more.length > 0)
    throw new BulkSyntaxError(
      'illegal_argument_exception',
      `Malformed action/metadata line [${number}], expected START_OBJECT or END_OBJECT`,
    )
  return { operation: operation as Operation, meta }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

export interface ItemAnswer {
  readonly _index: string
  readonly _id: string | null
  readonly status: number
  readonly error?: Refusal['error']
  readonly [more: string]: unknown
}

let madeIds = 0

/** Does one action and says what came of it. */
export function perform(store: Store, action: Action): ItemAnswer {
  const id = action.id ?? `made-${++madeIds}`
  const target = store.target(action.index, action.requireDataStream)
  const fail = ({ status, error }: Refusal): ItemAnswer => ({ _index: action.index, _id: id, status, error })
  if ('status' in target) return fail(target)
  if (target.isDataStream && action.operation !== 'create')
    return fail(
      refuse(
        400,
        'illegal_argument_exception',
        'only write ops with an op_type of create are allowed in data streams',
      ),
    )
  if (action.operation === 'delete') {
    const isThere = target.documents.delete(id)
    return {
      _index: target.backing,
      _id: id,
      result: isThere ? 'deleted' : 'not_found',
      status: isThere ? 200 : 404,
    }
  }
  const source = parse(action.source as string)
  if (!isObject(source))
    return fail(
      refuse(
        400,
        'document_parsing_exception',
        `[1:1] failed to parse: ${source === undefined ? 'malformed JSON' : 'not_x_content_exception'}`,
      ),
    )
  return action.operation === 'update'
    ? update(target, id, source)
    : write(target, id, source, action.operation)
}

function write(index: Index, id: string, source: Record<string, unknown>, operation: Operation): ItemAnswer {
  const wrong = misfit(index, id, source)
  if (wrong !== undefined) return { _index: index.backing, _id: id, ...wrong }
  const before = index.documents.get(id)
  if (operation === 'create' && before !== undefined)
    return {
      _index: index.backing,
      _id: id,
      ...refuse(
        409,
        'version_conflict_engine_exception',
        `[${id}]: version conflict, document already exists (current version [${before.version}])`,
      ),
    }
  return answer(index, id, index.put(id, source).version)
}

function update(index: Index, id: string, change: Record<string, unknown>): ItemAnswer {
  const before = index.documents.get(id)
  const fail = (refusal: Refusal): ItemAnswer => ({ _index: index.backing, _id: id, ...refusal })
  const { doc } = change
  if (!isObject(doc))
    return fail(refuse(400, 'x_content_parse_exception', 'Validation Failed: script or doc is missing'))
  if (before === undefined && change.doc_as_upsert !== true)
    return fail(refuse(404, 'document_missing_exception', `[${id}]: document missing`))
  return answer(index, id, index.put(id, { ...before?.source, ...doc }).version)
}

const answer = (index: Index, id: string, version: number): ItemAnswer => ({
  _index: index.backing,
  _id: id,
  _version: version,
  result: version === 1 ? 'created' : 'updated',
  _shards: { total: 2, successful: 1, failed: 0 },
  _seq_no: index.sequence - 1,
  _primary_term: 1,
  status: version === 1 ? 201 : 200,
})
