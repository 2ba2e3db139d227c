import type { HTTPNodes, NodeAnswer, NodeRequest } from '../http-nodes.ts'
import { reasonIn } from './bulk-answer.ts'

/** What is to be there before the first document. */
export interface SetUp {
  readonly target: string
  readonly isDataStream: boolean
  /** The index template to put under the name `target`; undefined: a data stream without one of its own. */
  readonly template: object
}

/** Undefined: done. Else what is in the way. */
export type SetUpProblem =
  | { readonly isConfiguration: boolean; readonly reason: string; readonly nextMs: number }
  | undefined

/**
 * Puts the template, unless there is one of that name, and makes the data stream, unless it is there. All threads of all nodes
 * may do this at one time.
 */
export async function setUp(
  nodes: HTTPNodes,
  headers: Readonly<Record<string, string>>,
  { target, isDataStream, template }: SetUp,
): Promise<SetUpProblem> {
  const name = encodeURIComponent(target)
  const ask = (method: NodeRequest['method'], path: string, body?: object): Promise<NodeAnswer> =>
    nodes.send({
      method,
      path,
      headers: body === undefined ? headers : { ...headers, 'content-type': 'application/json' },
      body: body === undefined ? undefined : Buffer.from(JSON.stringify(body)),
    })
  const there = await ask('GET', `/_index_template/${name}`)
  if (!isDone(there) && !isMissing(there))
    return problem(there, `the index template ${target} cannot be read`)
  if (isMissing(there)) {
    const put = await ask('PUT', `/_index_template/${name}`, template)
    if (!isDone(put)) return problem(put, `the index template ${target} cannot be put`)
  }
  if (!isDataStream) return undefined
  const made = await ask('PUT', `/_data_stream/${name}`)
  if (isDone(made) || alreadyThere(made)) return undefined
  return problem(made, `the data stream ${target} cannot be made`)
}

const isDone = (answer: NodeAnswer): boolean =>
  answer.kind === 'answer' && answer.status >= 200 && answer.status < 300
const isMissing = (answer: NodeAnswer): boolean => answer.kind === 'answer' && answer.status === 404
const alreadyThere = (answer: NodeAnswer): boolean =>
  answer.kind === 'answer' &&
  answer.status === 400 &&
  answer.text.includes('resource_already_exists_exception')

function problem(answer: NodeAnswer, what: string): SetUpProblem {
  if (answer.kind === 'failed')
    return { isConfiguration: false, reason: `${what}: ${answer.reason}`, nextMs: answer.nextMs }
  const isConfiguration = answer.status >= 400 && answer.status < 500 && answer.status !== 429
  return {
    isConfiguration,
    reason: `${what}: ${answer.status} ${reasonIn(answer.text)}`,
    nextMs: answer.nextMs,
  }
}

/**
 * A template for documents of traffic: the fields of ECS that queries need as what they are, all other text as keywords. It
 * names no type that only some distributions have.
 */
export const trafficTemplate = (target: string, isDataStream: boolean): object => ({
  index_patterns: [target],
  ...(isDataStream && { data_stream: {} }),
  priority: 500,
  template: {
    mappings: {
      dynamic_templates: [
        { text: { match_mapping_type: 'string', mapping: { type: 'keyword', ignore_above: 1024 } } },
      ],
      properties: {
        '@timestamp': { type: 'date' },
        event: { properties: { start: { type: 'date' }, end: { type: 'date' }, duration: { type: 'long' } } },
        source: { properties: { ip: { type: 'ip' }, port: { type: 'long' }, bytes: { type: 'long' } } },
        destination: { properties: { port: { type: 'long' }, bytes: { type: 'long' } } },
        http: { properties: { request: side, response: side } },
        url: { properties: { port: { type: 'long' } } },
        error: { properties: { message: { type: 'text' } } },
      },
    },
  },
})

const side = {
  properties: {
    status_code: { type: 'long' },
    bytes: { type: 'long' },
    body: { properties: { bytes: { type: 'long' }, content: { type: 'text', norms: false } } },
  },
}
