import { TrafficError } from '../../../runtime/errors.ts'
import { cloneEvent, type Event, Kind, type Message } from '../../../runtime/event.ts'
import { oneOf, optional, type Resolved, show, size } from '../../../runtime/options.ts'
import { tracing } from '../../../runtime/trace/tracing.ts'
import { turn } from '../../../runtime/turn.ts'
import type { Context } from '../../context.ts'
import { Filter } from '../../filter.ts'
import type { Policy } from '../../kernel/ledger.ts'
import { traceSend } from '../../message-spans.ts'
import type { Pipeline } from '../../pipeline.ts'
import type { Program } from '../../program.ts'
import { headerBytes, headersToSend, withTrace } from '../../subject-headers.ts'
import { faultOfSubject } from '../../subjects.ts'
import type { FilterDefinition } from '../definition.ts'
import { Collected, MessageCollector } from '../message-collector.ts'
import { Outbox } from './outbox.ts'

const isHeaderChoice = (value: unknown): value is false | readonly string[] =>
  value === false || (Array.isArray(value) && value.every(name => typeof name === 'string'))

const options = {
  policy: oneOf(
    ['drop', 'block'],
    'drop',
    'What happens to a message while there is no connection to NATS, or too much waits to be written to it. drop: it is dropped and counted, and the traffic is never delayed; block: it waits in the window, and the source is paused until it has gone.',
  ),
  window: size(1024 * 1024, "Bytes that may wait in a thread with policy 'block'."),
  headers: optional(
    'false, or an array of names',
    "Which fields of the head's `headers` go with the message. By default all but those of one connection, like Connection and Content-Length; false: none. Name them where requests carry secrets, as cookies and authorizations do.",
    isHeaderChoice,
  ),
} as const

type SubjectOf = string | ((ctx: Context) => unknown)

/** What the filters of one place in the script share. */
class Plan {
  readonly program: Program
  readonly outbox: Outbox
  private readonly place: string
  private readonly subject: SubjectOf
  private readonly sendsHeaders: boolean
  private readonly headerNames: ReadonlySet<string> | undefined

  constructor(
    program: Program,
    place: string,
    subject: SubjectOf,
    outbox: Outbox,
    { headers }: Resolved<typeof options>,
  ) {
    this.program = program
    this.place = place
    this.subject = subject
    this.outbox = outbox
    this.sendsHeaders = headers !== false
    this.headerNames = Array.isArray(headers) ? new Set(headers.map(name => name.toLowerCase())) : undefined
  }

  /** The largest body; 0 as long as nobody knows. */
  get maxBytes(): number {
    return this.program.surroundings.subjectSpace?.subjects.maxPayload ?? 0
  }

  /** Where a message goes; undefined when the script wants it to go nowhere. */
  subjectIn(context: Context): unknown {
    return typeof this.subject === 'function' ? this.subject(context) : this.subject
  }

  /** Sends a whole message. What is wrong with it is told in the log and the ledger, since the traffic is not to suffer. */
  send(message: Message, from: Pipeline, overflowBytes: number): void {
    const { edge } = this.outbox
    const subject = this.subjectIn(from.context)
    if (subject === undefined || subject === null || subject === '') return
    edge.accepted++
    const fault = faultOfSubject(subject)
    if (fault !== undefined) {
      this.refuse('bad-subject', new TrafficError('RuntimeError', `${this.place} cannot publish: ${fault}`))
      return
    }
    if (tracing.tracer !== null) traceSend(message, from, 'publish', subject as string, 'nats')
    const sent = this.sendsHeaders ? headersToSend(message.head, this.headerNames) : undefined
    const headers = message.trace === undefined ? sent : withTrace(sent, message.trace)
    const payload = message.body?.bytes() ?? new Uint8Array()
    if (overflowBytes > 0 || payload.length + headerBytes(headers) > this.maxBytes) edge.drop('too-large')
    else this.outbox.send({ subject: subject as string, payload, headers }, turn.source)
  }

  private refuse(reason: string, fault: TrafficError): void {
    const { edge } = this.outbox
    edge.drop(reason)
    edge.failed(fault.toRecord())
    this.program.reportFault(this.place, fault)
  }
}

/** Puts each message together beside the stream, and publishes it when it is whole. */
class Publish extends Filter {
  private readonly plan: Plan
  private collector: MessageCollector | null = null

  constructor(plan: Plan) {
    super()
    this.plan = plan
  }

  process(event: Event): void {
    this.collector ??= new MessageCollector(this.plan.maxBytes)
    // Copied at once: filters behind may change the head before the message is whole.
    const copy = event.kind === Kind.messageStart ? cloneEvent(event) : event
    if (this.collector.add(copy) === Collected.whole || this.collector.isEndedBy(event)) {
      const { overflowBytes } = this.collector
      this.plan.send(this.collector.take(), this.pipeline, overflowBytes)
    }
    this.next.process(event)
  }

  /** A message that the stream did not finish is not sent. */
  override stop(): void {
    if (this.collector?.isCollecting !== true) return
    const { edge } = this.plan.outbox
    edge.accepted++
    edge.drop('incomplete')
  }
}

export const publish: FilterDefinition = {
  name: 'publish',
  aliases: [],
  signature: '(subject[, options])',
  summary: 'Publishes copies of messages to a subject of NATS',
  doc: "Publishes the body of each message to a subject, with its headers, and passes the events on at once. The subject may be a callback (ctx), asked when the message is whole; when it gives nothing, the message is not published. Delivery is at most once: the ledger's `delivered` says that a message was handed to the connection. A subject with spaces, wildcards or empty parts, or one of NATS's or Sluice's own, is told in the log, and the message dropped; one larger than the server takes (1 MiB by default) is dropped as well. It needs --nats.",
  accepts: 'messages',
  emits: 'same',
  options,
  example: '$.publish(ctx => `orders.${ctx.tenant}`)',
  build: call => {
    const subject = call.take()
    if (typeof subject !== 'function') {
      const fault = faultOfSubject(subject)
      if (fault !== undefined)
        throw new TrafficError(
          'BadOption',
          `publish wants a subject, or a callback that gives one: ${typeof subject === 'string' ? fault : show(subject)}`,
        )
    }
    const settings = call.options(options)
    const { program, within } = call
    const place = `${within}.publish`
    program.needsSubjects(place)
    const edge = call.edge(
      'publish',
      typeof subject === 'string' ? subject : '(subjects)',
      settings.policy as Policy,
    )
    const outbox = new Outbox(edge, settings.window, program)
    const plan = new Plan(program, place, subject as SubjectOf, outbox, settings)
    return { name: 'publish', create: () => new Publish(plan) }
  },
}
