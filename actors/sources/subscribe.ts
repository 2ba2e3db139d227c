import { after } from '../../runtime/clock.ts'
import { TrafficError } from '../../runtime/errors.ts'
import { count, duration, flag, optional, type Resolved, size } from '../../runtime/options.ts'
import type { Edge } from '../kernel/ledger.ts'
import type { PipelineLayout } from '../pipeline.ts'
import type { Program, Source } from '../program.ts'
import {
  faultOfPattern,
  noSubjects,
  type SubjectMessage,
  type SubjectSpace,
  type SubjectSubscription,
} from '../subjects.ts'
import { RequestSession } from './request-session.ts'
import { sourceRole } from './source-role.ts'
import { SubscriptionSession } from './subscription-session.ts'

/** How long a server may take to say that it has sent all. */
const drainMs = 2_000

const isGroup = (value: unknown): value is string | false =>
  value === false || (typeof value === 'string' && /^[^\s]+$/.test(value))

export const subscribeOptions = {
  group: optional(
    'a name without spaces, or false',
    'Of all who subscribe with the same group, threads of this node and of others, one gets each message. By default those of one cluster and pipeline are a group, so that a message is taken once however many threads there are. false: each thread of each node takes every message.',
    isGroup,
  ),
  window: size(
    1024 * 1024,
    'Bytes of messages that may wait for a pipeline that cannot keep up; further ones are dropped and counted. NATS does not wait, and cuts the connection of whoever does not read.',
  ),
  replies: flag(
    true,
    'A message that wants a reply is a request: it has a session of its own, and the first message that comes out is published as the reply. false: nobody is answered, and requests are in the stream like all messages.',
  ),
  maxRequests: count(
    1024,
    'Requests of this thread under way at one time; a further one is answered at once with an error.',
    1,
  ),
  requestTimeout: duration(
    30_000,
    'Answers a request with an error when the pipeline has put nothing out for so long.',
  ),
  role: sourceRole,
} as const

export type SubscribeSettings = Resolved<typeof subscribeOptions>

/**
 * A subscription: what is published to a subject goes into one session, as a stream of messages; what wants a reply has
 * a session of its own.
 */
export class SubscribeSource implements Source {
  readonly listening = undefined
  readonly subject: string
  private readonly program: Program
  private readonly layout: PipelineLayout
  private readonly settings: SubscribeSettings
  /** Messages that came. */
  private readonly edge: Edge
  /** Replies that went. */
  private readonly replies: Edge
  private subscription: SubjectSubscription | undefined
  private session: SubscriptionSession | undefined
  private requests = 0

  /** @throws TrafficError `BadOption` */
  constructor(program: Program, layout: PipelineLayout, subject: string, settings: SubscribeSettings) {
    const fault = faultOfPattern(subject)
    if (fault !== undefined) throw new TrafficError('BadOption', `subscribe cannot take this: ${fault}`)
    this.program = program
    this.layout = layout
    this.subject = subject
    this.settings = settings
    this.edge = program.newEdge('subscribe', subject, layout.name, 'drop')
    this.replies = program.newEdge('publish', layout.name, 'replies', 'drop')
  }

  async start(): Promise<void> {
    const space = this.program.surroundings.subjectSpace
    if (space === undefined) throw noSubjects(`subscribe('${this.subject}')`)
    this.subscription = space.subjects.subscribe(
      this.subject,
      message => this.take(message, space),
      this.groupIn(space.cluster),
    )
  }

  private groupIn(cluster: string): string | undefined {
    const { group } = this.settings
    if (group === false) return undefined
    return group ?? `${cluster}:${this.layout.name}`.replace(/\s/g, '_')
  }

  private take(message: SubjectMessage, space: SubjectSpace): void {
    this.edge.accepted++
    if (message.reply !== undefined && this.settings.replies) this.answer(message, message.reply, space)
    else this.stream().take(message)
  }

  private stream(): SubscriptionSession {
    const { program, layout, edge, settings } = this
    if (this.session === undefined) {
      const session = new SubscriptionSession(program, layout, edge, settings.window, () => {
        if (this.session === session) this.session = undefined
      })
      this.session = session
    }
    return this.session
  }

  private answer(message: SubjectMessage, reply: string, { subjects }: SubjectSpace): void {
    const { program, layout, edge, settings } = this
    const session = new RequestSession(program, layout, settings.requestTimeout, subjects.maxPayload, {
      reply: (payload, headers) => {
        this.replies.accepted++
        if (subjects.publish(reply, payload, { headers })) this.replies.delivered++
        else this.replies.drop(subjects.isConnected ? 'window' : 'disconnected')
      },
      ended: () => {
        this.requests--
      },
    })
    if (++this.requests > settings.maxRequests) {
      edge.drop('requests')
      session.refuse(new TrafficError('Overloaded', `${settings.maxRequests} requests are under way`))
    } else {
      edge.delivered++
      session.start(message, this.subject)
    }
  }

  /** What the server has sent by now still comes: it has given that to nobody else. Then the session may end. */
  stop(): void {
    const { subscription } = this
    if (subscription === undefined) return
    this.subscription = undefined
    this.program.entered(this)
    void drained(subscription).then(() => {
      this.session?.finish()
      this.program.left(this)
    })
  }
}

/** Resolves when nothing more comes: in order, or because the server does not answer. */
async function drained(subscription: SubjectSubscription): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>()
  const cancel = after(drainMs, resolve)
  try {
    await Promise.race([subscription.drain?.(), late])
  } catch {
    // The connection is lost, and with it what was to come.
  }
  cancel()
  subscription.unsubscribe()
}
