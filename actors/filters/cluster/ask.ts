import { TrafficError } from '../../../runtime/errors.ts'
import { type Event, Kind, type Message, StreamEnd } from '../../../runtime/event.ts'
import { BlockedSources } from '../../../runtime/net/blocked-sources.ts'
import { count, duration, type Resolved, size } from '../../../runtime/options.ts'
import { tracing } from '../../../runtime/trace/tracing.ts'
import { turn } from '../../../runtime/turn.ts'
import { Filter } from '../../filter.ts'
import type { Edge } from '../../kernel/ledger.ts'
import { traceSend } from '../../message-spans.ts'
import { type FilterDefinition, targetName } from '../definition.ts'
import { Collected, MessageCollector } from '../message-collector.ts'
import { emitMessage } from '../replacement.ts'

const options = {
  deadline: duration(
    5_000,
    'Ends the stream with AskTimeout when an answer has not come by then. There is always one: an answer that was lost on its way never comes.',
  ),
  maxPending: count(
    100,
    'Messages of one stream that may wait for answers; the source is paused while there are so many.',
    1,
  ),
  bodyLimit: size(
    1024 * 1024,
    'Bytes of a message, which is sent whole; a larger one ends the stream with BufferOverflow.',
  ),
} as const

type Settings = Resolved<typeof options>

/** What the filters of one place in the script share. */
interface Plan {
  readonly target: string
  readonly edge: Edge
  readonly settings: Settings
}

/** A place for an answer in the order of the messages; `answer` stays undefined until it has come. */
interface Pending {
  answer: Message | TrafficError | undefined
}

class AskFilter extends Filter {
  private readonly plan: Plan
  private readonly collector: MessageCollector
  private readonly pending: Pending[] = []
  private readonly blocked = new BlockedSources()
  private hasEnded = false
  /** The end of the stream, while answers are to come. */
  private streamEnd: StreamEnd | null = null

  constructor(plan: Plan) {
    super()
    this.plan = plan
    this.collector = new MessageCollector(plan.settings.bodyLimit)
  }

  process(event: Event): void {
    if (this.hasEnded || this.streamEnd !== null) return
    if (this.collector.add(event) === Collected.whole || this.collector.isEndedBy(event)) this.ask()
    if (event.kind !== Kind.streamEnd || this.hasEnded) return
    if (event.error !== '' || this.pending.length === 0) this.end(event)
    else this.streamEnd = event
  }

  private ask(): void {
    const { overflowBytes } = this.collector
    const message = this.collector.take()
    const { edge, settings, target } = this.plan
    edge.accepted++
    if (overflowBytes > 0) {
      edge.drop('too-large')
      const detail = `a message is ${overflowBytes} bytes over the bodyLimit of ask`
      this.end(new StreamEnd(new TrafficError('BufferOverflow', detail)))
      return
    }
    if (tracing.tracer !== null) traceSend(message, this.pipeline, 'ask', target)
    const pending: Pending = { answer: undefined }
    if (this.pending.push(pending) >= settings.maxPending) this.blocked.block(turn.source)
    edge.inFlight++
    const { context, session } = this.pipeline
    session.program.surroundings.sharedPipelines.ask(target, message, context, settings.deadline, answer => {
      this.count(answer)
      pending.answer = answer
      turn.begin(null)
      this.pipeline.run(() => this.putOut())
      turn.end()
    })
  }

  /** Answers that came after the stream had gone are answers all the same. */
  private count(answer: Message | TrafficError): void {
    const { edge } = this.plan
    edge.inFlight--
    if (!(answer instanceof TrafficError)) edge.delivered++
    else {
      edge.failed(answer.toRecord())
      if (answer.code === 'DeadLetter' || answer.code === 'NoResponder') edge.deadLettered++
      else edge.drop(answer.code === 'AskTimeout' ? 'timeout' : 'failed')
    }
  }

  /** In the order of the messages, as far as answers are there. */
  private putOut(): void {
    for (;;) {
      const answer = this.pending[0]?.answer
      if (answer === undefined || this.hasEnded) break
      this.pending.shift()
      if (answer instanceof TrafficError) this.end(new StreamEnd(answer))
      else emitMessage(answer, this.next)
    }
    if (this.pending.length < this.plan.settings.maxPending) this.blocked.release()
    if (this.pending.length === 0 && this.streamEnd !== null && !this.hasEnded) this.end(this.streamEnd)
  }

  private end(end: StreamEnd): void {
    this.hasEnded = true
    this.pending.length = 0
    this.blocked.release()
    this.next.process(end)
  }

  override stop(): void {
    this.hasEnded = true
    this.pending.length = 0
    this.blocked.release()
  }
}

export const ask: FilterDefinition = {
  name: 'ask',
  aliases: [],
  signature: '(pipeline[, options])',
  summary: 'Sends messages to a shared pipeline and puts out its answers',
  doc: "Sends each message to the actor of its key of a pipeline with placement 'node' or 'cluster', on whichever thread or node that is, and puts out the answers in the order of the messages. There, the message and the end of the stream pass through a pipeline of their own with the actor's variables, and the first message that comes out is the answer. The stream ends with AskTimeout when there is none in time, with what failed there, with NoResponder when no node hosts the pipeline, with BufferOverflow when question or answer goes to another node and is larger than one message of NATS (1 MiB by default), or with DeadLetter when its actor has gone: in HTTP that is a response with the status of the fault. An answer is given at most once; whether the message was processed is not known when none has come.",
  accepts: 'messages',
  emits: 'messages',
  options,
  example: "$.ask('prices', { deadline: '1s' })",
  build: call => {
    const target = call.resolve(call.takeTarget())
    if (target.kind !== 'shared')
      throw new TrafficError(
        'BadOption',
        `ask wants the name of a pipeline with placement 'node' or 'cluster', and '${targetName(target)}' is local; use link or muxQueue there`,
      )
    if (target.delivery === 'at-least-once' || target.fanout === 'all')
      throw new TrafficError(
        'BadOption',
        `ask wants one answer now, and '${target.name}' has ${target.fanout === 'all' ? "fanout 'all', which is several" : "delivery 'at-least-once', which gives none"}; ask another pipeline, or use fork`,
      )
    const settings = call.options(options)
    if (settings.deadline === 0)
      throw new TrafficError('BadOption', 'ask wants a deadline longer than 0: what is lost never answers')
    const edge = call.edge('ask', target.name, 'block')
    const plan: Plan = { target: target.name, edge, settings }
    return { name: 'ask', create: () => new AskFilter(plan) }
  },
}
