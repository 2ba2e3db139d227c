import { BodySender } from '../body-sender.ts'
import type { Destination, Item, Verdict } from '../destination.ts'
import type { HTTPNodes, NodeAnswer } from '../http-nodes.ts'
import { readBulkAnswer, reasonIn } from './bulk-answer.ts'
import { bulkBody } from './bulk-body.ts'
import { type SetUp, setUp } from './set-up.ts'

export interface ElasticsearchPlan {
  readonly target: string
  readonly pipeline: string | undefined
  readonly compresses: boolean
  readonly compatibleWith: number | undefined
  readonly setUp: SetUp | undefined
  readonly headers: Readonly<Record<string, string>>
}

/** What of the answer is wanted: a tenth of it, when all is well. */
const answerFields =
  'errors,items.*.status,items.*.error.type,items.*.error.reason,items.*.error.caused_by.reason'

/** One bulk request at a time, from documents to what came of each. */
export class Elasticsearch implements Destination {
  readonly name: string
  readonly maxConcurrency = Number.MAX_SAFE_INTEGER
  private readonly nodes: HTTPNodes
  private readonly plan: ElasticsearchPlan
  private readonly path: string
  private readonly sender: BodySender
  private readonly opaqueId: string
  private requests = 0
  private settingUp: Promise<Verdict | undefined> | undefined
  private isSetUp: boolean

  constructor(name: string, nodes: HTTPNodes, plan: ElasticsearchPlan, place: string) {
    this.name = name
    this.nodes = nodes
    this.plan = plan
    this.opaqueId = `sluice/${place.replace(/[^\x21-\x7e]/g, '_')}`
    this.isSetUp = plan.setUp === undefined
    const parameters = new URLSearchParams({ filter_path: answerFields })
    if (plan.pipeline !== undefined) parameters.set('pipeline', plan.pipeline)
    this.path = `/${encodeURIComponent(plan.target)}/_bulk?${parameters}`
    const version = plan.compatibleWith
    this.sender = new BodySender(nodes, plan.compresses, {
      ...plan.headers,
      'content-type':
        version === undefined
          ? 'application/x-ndjson'
          : `application/vnd.elasticsearch+x-ndjson; compatible-with=${version}`,
      accept:
        version === undefined
          ? 'application/json'
          : `application/vnd.elasticsearch+json; compatible-with=${version}`,
    })
  }

  async send(batch: readonly Item[]): Promise<Verdict> {
    if (!this.isSetUp) {
      // Requests that come meanwhile wait for the same.
      this.settingUp ??= this.prepare()
      const problem = await this.settingUp
      this.settingUp = undefined
      if (problem !== undefined) return problem
    }
    const { answer, sentBytes } = await this.sender.send('POST', this.path, bulkBody(batch), {
      'x-opaque-id': `${this.opaqueId}/${++this.requests}`,
    })
    return judge(answer, batch.length, sentBytes)
  }

  private async prepare(): Promise<Verdict | undefined> {
    const problem = await setUp(this.nodes, this.plan.headers, this.plan.setUp as SetUp)
    this.isSetUp = problem === undefined
    if (problem === undefined) return undefined
    return problem.isConfiguration
      ? { kind: 'again', reason: problem.reason, cause: 'configuration' }
      : { kind: 'again', reason: problem.reason, cause: 'failure', afterMs: problem.nextMs }
  }

  close(): Promise<void> {
    return this.nodes.close()
  }
}

/** What an answer to a whole request means for its documents. */
function judge(answer: NodeAnswer, documents: number, sentBytes: number): Verdict {
  if (answer.kind === 'failed')
    return { kind: 'again', reason: answer.reason, cause: 'failure', afterMs: answer.nextMs }
  const { status, text } = answer
  if (status >= 200 && status < 300) {
    const items = readBulkAnswer(text, documents)
    return typeof items === 'string'
      ? { kind: 'again', reason: items, cause: 'failure' }
      : { kind: 'answered', items, sentBytes }
  }
  const reason = `${status} ${reasonIn(text)}`
  switch (status) {
    case 413:
      return {
        kind: 'split',
        reason: `${status} the server takes no body of ${sentBytes} bytes`,
        cause: 'size',
      }
    case 429:
      return { kind: 'again', reason, cause: 'congestion', afterMs: answer.retryAfterMs }
    case 400:
      return { kind: 'split', reason, cause: 'content' }
    case 502:
    case 503:
    case 504:
      return { kind: 'again', reason, cause: 'failure', afterMs: answer.retryAfterMs ?? answer.nextMs }
  }
  return { kind: 'again', reason, cause: status >= 500 ? 'failure' : 'configuration' }
}
