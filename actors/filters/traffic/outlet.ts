import { Data, Message, MessageEnd, MessageStart } from '../../../runtime/event.ts'
import { tracing } from '../../../runtime/trace/tracing.ts'
import type { Edge, Policy } from '../../kernel/ledger.ts'
import { traceSend } from '../../message-spans.ts'
import type { Pipeline, PipelineLayout } from '../../pipeline.ts'
import type { Notebook, SinkEntry, SinkOutcome, SinkPlace } from '../../sink.ts'
import { Branch, type Plan } from '../compose/fork.ts'
import type { FilterCall, Target } from '../definition.ts'
import type { DocumentForm } from './document-renderer.ts'
import type { ExchangeRecord } from './exchange-record.ts'

/** Where documents go. Its edge counts every exchange once: given on, or dropped with the reason. */
export interface Outlet {
  readonly edge: Edge
  /** @param from the pipeline whose exchange it is about */
  write(entry: SinkEntry, from: Pipeline): void
  /** Takes an exchange that no document was made of. False: it wants a document. */
  note(record: ExchangeRecord, form: DocumentForm): boolean
}

/** To a sink of this thread. */
export class SinkOutlet implements Outlet {
  readonly edge: Edge
  private readonly place: SinkPlace
  private readonly settled: (outcome: SinkOutcome, entries?: number) => void
  /** Null when the sink takes documents alone; undefined until that is known. */
  private notebook: Notebook | null | undefined

  constructor(edge: Edge, place: SinkPlace) {
    this.edge = edge
    this.place = place
    this.settled = (outcome, entries = 1) => {
      edge.inFlight -= entries
      if (outcome.kind === 'stored') edge.delivered += entries
      else if (outcome.kind === 'duplicate') edge.duplicate += entries
      else if (outcome.kind === 'dead-lettered') edge.deadLettered += entries
      else edge.drop(outcome.reason, entries)
    }
  }

  note(record: ExchangeRecord, form: DocumentForm): boolean {
    if (this.notebook === undefined)
      this.notebook = this.place.sink.openNotebook?.(form, this.settled) ?? null
    if (this.notebook === null) return false
    this.edge.accepted++
    this.edge.inFlight++
    this.notebook.write(record)
    return true
  }

  write(entry: SinkEntry): void {
    this.edge.accepted++
    this.edge.inFlight++
    this.place.sink.write(entry, this.settled)
  }
}

/** A document as a message: its body is the JSON, the same bytes, which nobody changes. */
const headOf = ({ id, timeMs, traceId, spanId }: SinkEntry): object => ({ id, timeMs, traceId, spanId })

/** To a pipeline that threads or nodes share, by its name. */
class SharedOutlet implements Outlet {
  readonly edge: Edge
  private readonly name: string

  constructor(edge: Edge, name: string) {
    this.edge = edge
    this.name = name
  }

  note(): boolean {
    return false
  }

  write(entry: SinkEntry, from: Pipeline): void {
    const { context, session } = from
    this.edge.accepted++
    const message = new Message(headOf(entry), Data.over(entry.json))
    if (tracing.tracer !== null) traceSend(message, from, 'log', this.name)
    session.program.surroundings.sharedPipelines.send(this.name, message, context, this.edge, null)
  }
}

/** What may wait for a slow pipeline: the same as with `fork`. */
const branchSettings: Plan['settings'] = { policy: 'drop', window: 1024 * 1024, maxBranches: 1000 }

/** To a pipeline of its own for each document. A slow one delays nobody: it is a branch as of `fork`. */
class LocalOutlet implements Outlet {
  readonly edge: Edge
  private readonly plan: Plan
  private readonly layout: PipelineLayout

  constructor(edge: Edge, target: Target & { kind: 'local' }) {
    this.edge = edge
    this.layout = target.layout
    this.plan = { target, init: undefined, edge, settings: branchSettings, open: 0 }
  }

  note(): boolean {
    return false
  }

  write(entry: SinkEntry, { context, session, trace }: Pipeline): void {
    const branch = new Branch(this.plan, this.layout, context, session, undefined, trace)
    branch.copy(new MessageStart(headOf(entry)))
    branch.copy(Data.over(entry.json))
    branch.copy(new MessageEnd())
    branch.leave()
  }
}

export function pipelineOutlet(call: FilterCall, target: Target): Outlet {
  const policy: Policy = 'drop'
  if (target.kind === 'local') return new LocalOutlet(call.edge('fork', target.layout.name, policy), target)
  return new SharedOutlet(call.edge('fork', target.name, policy), target.name)
}
