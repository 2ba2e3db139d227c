import { TrafficError } from '../../../runtime/errors.ts'
import { type Event, Kind, MessageStart, messageEnd } from '../../../runtime/event.ts'
import { flag, oneOf, parseOptions, show, size } from '../../../runtime/options.ts'
import { type Source, turn } from '../../../runtime/turn.ts'
import { Filter } from '../../filter.ts'
import { tracedPlace } from '../../message-spans.ts'
import type { SinkOutcome, SinkPlace } from '../../sink.ts'
import type { FilterDefinition } from '../definition.ts'
import { Collected, MessageCollector } from '../message-collector.ts'
import { documentOf } from './sink-document.ts'

const options = {
  policy: oneOf(
    ['block', 'drop'],
    'block',
    'What happens while the sink has more than it can write. block: the source is paused until it has caught up; drop: documents for which there is no room are dropped and counted, and the traffic is never delayed.',
  ),
  answers: flag(
    true,
    'Puts out a message for each that came, when its document is settled, and ends after the last. false: puts out nothing and ends at once, as suits a fork, whose output nobody reads.',
  ),
  bodyLimit: size(16 * 1024 * 1024, 'Bytes of a document. A larger one is put aside.'),
} as const

interface Plan {
  readonly place: SinkPlace
  readonly blocks: boolean
  readonly answers: boolean
  readonly limitBytes: number
}

/** What the head of an answer says. */
export interface SinkAnswerHead {
  /** 201 stored, 409 stored before, 400 never will be and was put aside, 503 dropped. */
  status: 201 | 400 | 409 | 503
  id: string
  reason?: string
  /** With 400: it is among the dead letters of the sink, and need not be given again. */
  isPutAside?: boolean
}

const statuses = { stored: 201, duplicate: 409, 'dead-lettered': 400, dropped: 503 } as const

/** A message on its way through the sink; its answer waits for those before it. */
class Pending {
  readonly id: string
  outcome: SinkOutcome | null = null

  constructor(id: string) {
    this.id = id
  }
}

/** Writes each message to a sink, and says what became of it, in order. */
class WriteToSink extends Filter {
  private readonly plan: Plan
  private readonly collector: MessageCollector
  private readonly pending: Pending[] = []
  private end: Event | null = null
  private isDeferred = false
  private isStopped = false
  private paused: Source[] = []

  constructor(plan: Plan) {
    super()
    this.plan = plan
    this.collector = new MessageCollector(plan.limitBytes)
  }

  process(event: Event): void {
    if (this.collector.add(event) === Collected.whole || this.collector.isEndedBy(event)) this.write()
    if (event.kind !== Kind.streamEnd) return
    if (this.pending.length === 0) this.next.process(event)
    else this.end = event
  }

  private write(): void {
    const { plan } = this
    const { sink } = plan.place
    const { overflowBytes } = this.collector
    const { entry, fault } = documentOf(this.collector.take(), overflowBytes, tracedPlace(this.pipeline))
    const pending = new Pending(entry.id)
    if (plan.answers) this.pending.push(pending)
    const settled = plan.answers ? (outcome: SinkOutcome): void => this.settled(pending, outcome) : undefined
    if (fault === undefined) sink.write(entry, settled)
    else sink.refuse(entry, fault, settled)
    if (plan.blocks && sink.isCongested) this.pause()
  }

  /** A batch settles many at once: they are answered together. */
  private settled(pending: Pending, outcome: SinkOutcome): void {
    pending.outcome = outcome
    if (this.isStopped || this.isDeferred) return
    this.isDeferred = true
    queueMicrotask(() => this.answerDeferred())
  }

  private answerDeferred(): void {
    this.isDeferred = false
    if (this.isStopped) return
    turn.begin(null)
    this.pipeline.run(() => this.answer())
    turn.end()
  }

  /** Puts out the answers that nothing waits before. */
  private answer(): void {
    const { pending } = this
    let done = 0
    for (; done < pending.length; done++) {
      const { id, outcome } = pending[done] as Pending
      if (outcome === null) break
      this.next.process(new MessageStart(headOf(id, outcome)))
      this.next.process(messageEnd)
    }
    pending.splice(0, done)
    if (pending.length > 0 || this.end === null) return
    const { end } = this
    this.end = null
    this.next.process(end)
  }

  private pause(): void {
    const { source } = turn
    if (source === null || this.paused.includes(source)) return
    source.pause()
    if (this.paused.push(source) === 1) this.plan.place.sink.awaitRelief(() => this.resume())
  }

  private resume(): void {
    const { paused } = this
    this.paused = []
    turn.begin(null)
    for (const source of paused) source.resume()
    turn.end()
  }

  /** Documents that the sink has are written all the same. */
  override stop(): void {
    this.isStopped = true
    if (this.paused.length > 0) this.resume()
  }
}

function headOf(id: string, outcome: SinkOutcome): SinkAnswerHead {
  const status = statuses[outcome.kind]
  if (outcome.kind === 'dead-lettered') return { status, id, reason: outcome.reason, isPutAside: true }
  return 'reason' in outcome ? { status, id, reason: outcome.reason } : { status, id }
}

/** The options of the filter, and those that are for the sink. */
function split(given: unknown): { own: Record<string, unknown>; rest: Record<string, unknown> } {
  if (given === undefined || given === null) return { own: {}, rest: {} }
  if (typeof given !== 'object')
    throw new TrafficError('BadOption', `sink wants an object of options, and got ${show(given)}`)
  const own: Record<string, unknown> = {}
  const rest: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(given)) {
    if (Object.hasOwn(options, key)) own[key] = value
    else rest[key] = value
  }
  return { own, rest }
}

export const sink: FilterDefinition = {
  name: 'sink',
  aliases: [],
  signature: '(kind[, options])',
  summary: 'Writes messages to where traffic logs go',
  doc: 'Takes messages whose payload is an object, or whose body is a JSON object, and writes each to a sink: the kinds and their options are in [sinks](sinks.md), and stand among the options here. The id of a document is `id` of the head, else one that is made. For each message one comes out when it is settled, in order, with a head `{ status, id, reason }`: 201 stored, 409 stored before, 400 put aside for good, 503 dropped. A pipeline with delivery `at-least-once` takes these as acknowledgements: a message is done when its document is stored or put aside, and given again when it was dropped. The sink is shared by all sessions of the thread at this place; when the process ends it writes what it has.',
  accepts: 'messages',
  emits: 'messages',
  options,
  example: "$.sink('elasticsearch', { node: 'http://es:9200', dataStream: 'logs-traffic-default' })",
  build: call => {
    const kind = call.take()
    if (typeof kind !== 'string')
      throw new TrafficError(
        'BadOption',
        `sink wants the name of a kind, like 'elasticsearch', and got ${show(kind)}`,
      )
    const { own, rest } = split(call.take())
    call.end()
    const { policy, answers, bodyLimit } = parseOptions(options, own, 'sink')
    const plan: Plan = {
      place: call.program.sinkPlace(kind, rest, `${call.within}.sink`),
      blocks: policy === 'block',
      answers,
      limitBytes: bodyLimit,
    }
    return { name: 'sink', create: () => new WriteToSink(plan) }
  },
}
