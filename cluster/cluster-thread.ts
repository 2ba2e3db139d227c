import type { LedgerRow } from '../actors/host.ts'
import type { Edge } from '../actors/kernel/ledger.ts'
import type { ClusterLink, ClusterReceiver, Sending } from '../actors/shared/cluster-link.ts'
import type { Question, TakeAnswer } from '../actors/shared/questions.ts'
import type { SharedPipeline } from '../actors/shared/shared-pipelines.ts'
import type { SubjectSpace } from '../actors/subjects.ts'
import { after, processMs } from '../runtime/clock.ts'
import type { Logger } from '../runtime/log.ts'
import type { Source } from '../runtime/turn.ts'
import { ClusterQuestions } from './asking/cluster-questions.ts'
import type { Bus, Subscription } from './bus/bus.ts'
import type { ClusterJoined, ClusterNote } from './cluster-notes.ts'
import { Inbox } from './delivery/inbox.ts'
import { Outbox } from './delivery/outbox.ts'
import { threadSubject } from './delivery/subjects.ts'
import { KernelPosts } from './kernels/kernel-posts.ts'
import type { Member } from './membership/member.ts'
import { Placement } from './placement/placement.ts'

export interface ClusterThreadOptions {
  readonly bus: Bus
  readonly cluster: string
  readonly node: string
  readonly thread: number
  /** This life of the thread. */
  readonly life: number
  readonly log: Logger
  /** Tells the main thread. */
  readonly tell: (note: ClusterJoined) => void
}

/** What carries the messages of pipelines with `delivery: 'at-least-once'`. */
export interface DurableDelivery {
  attach(receiver: ClusterReceiver): void
  /** The pipelines that this thread knows, the nodes, or this node's own standing have changed. */
  changed(standing: Standing): void
  send(sending: Sending, edge: Edge, source: Source | null): void
  leave(edges: readonly Edge[]): void
  /** The ledgers of what comes from streams. */
  rows(): readonly LedgerRow[]
  /** What was accepted is stored, what is hosted here is handed back. Resolves when that is done, or at the limit. */
  drain(limitMs: number): Promise<void>
  stop(): void
}

/** What a thread knows of its cluster. */
export interface Standing {
  readonly pipelines: ReadonlyMap<string, SharedPipeline>
  readonly placement: Placement
  /** This node's entry while it is in, and not swept, displaced or cut off. */
  readonly self: Member | undefined
}

/**
 * A thread's part in the cluster: it finds the place of each key, sends there, and takes what comes for its own. It has
 * a connection of its own, so that no traffic crosses the main thread, which tells it who the other nodes are.
 */
export class ClusterThread implements ClusterLink {
  readonly placement = new Placement()
  readonly outbox: Outbox
  readonly inbox: Inbox
  readonly kernels: KernelPosts
  readonly questions: ClusterQuestions
  private readonly options: ClusterThreadOptions
  private readonly durable: DurableDelivery | undefined
  private receiver: ClusterReceiver | undefined
  /** Undefined until the script runs: before, nobody is to send anything. */
  private pipelines: ReadonlyMap<string, SharedPipeline> | undefined
  private incarnation: string | undefined
  private listening: Subscription | undefined
  /** Undefined: this incarnation has had none yet. */
  private leaseUntilMs: number | undefined
  private cancelLease: (() => void) | undefined
  private readonly endState: () => void
  /** Pipelines of which it was told that nobody hosts them. */
  private readonly unhosted = new Set<string>()
  /** This node's entry, while the others take it for alive as what this thread listens as. */
  self: Member | undefined

  constructor(options: ClusterThreadOptions, durable?: DurableDelivery) {
    this.options = options
    this.endState = options.bus.onState(state => {
      if (state === 'connected') this.sayJoined()
    })
    this.durable = durable
    const { bus, cluster, log } = options
    this.inbox = new Inbox({
      bus,
      cluster,
      log,
      maxMessageBytes: name => this.pipelines?.get(name)?.maxMessageBytes ?? 0,
    })
    const isHere = (host: Member): boolean => this.whereIs(host) === 'here'
    this.questions = new ClusterQuestions({ bus, cluster, placement: this.placement, log, isHere })
    this.kernels = new KernelPosts({ bus, cluster, placement: this.placement, log })
    this.outbox = new Outbox({
      bus,
      cluster,
      placement: this.placement,
      log,
      markWithin: edge => this.receiver?.markWithin(edge) ?? (() => true),
      whereIs: host => this.whereIs(host),
      sendWithin: (sending, edge, source) => this.receiver?.sendWithin(sending, edge, source),
    })
  }

  /** What scripts subscribe and publish to. */
  get subjectSpace(): SubjectSpace {
    const { bus, cluster } = this.options
    return { subjects: bus, cluster }
  }

  attach(receiver: ClusterReceiver): void {
    this.receiver = receiver
    this.inbox.attach(receiver)
    this.questions.attach(receiver)
    this.durable?.attach(receiver)
  }

  know(pipelines: readonly SharedPipeline[]): void {
    this.pipelines = new Map(pipelines.map(pipeline => [pipeline.name, pipeline]))
    this.sayJoined()
    this.durable?.changed(this.standing)
  }

  send(sending: Sending, edge: Edge, source: Source | null): void {
    if (sending.pipeline.delivery === 'at-least-once' && this.durable !== undefined)
      this.durable.send(sending, edge, source)
    else this.outbox.send(sending, edge, source)
  }

  ask(pipeline: SharedPipeline, question: Question, take: TakeAnswer): void {
    this.questions.ask(pipeline, question, take)
  }

  rows(): readonly LedgerRow[] {
    return this.durable?.rows() ?? []
  }

  leave(edges: readonly Edge[]): void {
    this.outbox.leave(edges)
    this.durable?.leave(edges)
  }

  hear(note: ClusterNote): void {
    switch (note.kind) {
      case 'cluster-self':
        this.listenAs(note.incarnation)
        break
      case 'cluster-members':
        this.placement.update(note.members)
        this.placed()
        break
      case 'cluster-lease':
        this.leaseUntilMs = note.untilMs
        this.cancelLease?.()
        // Also when it is over this thread must act, at once: the others are about to.
        this.cancelLease = after(Math.max(0, note.untilMs - processMs()) + 1, () => this.stood())
        this.stood()
        break
    }
  }

  /** Whether the others take this node for alive, as what this thread listens as, may have changed. */
  private stood(): void {
    if (this.findSelf() !== this.self) this.placed()
  }

  /** The nodes, or our own standing among them, may have changed: keys have moved. */
  private placed(): void {
    this.self = this.findSelf()
    const { self, placement } = this
    this.receiver?.handOver((pipeline, key) => {
      if (self === undefined) return false
      if (pipeline.fanout === 'all') return placement.hostsOf(pipeline.name).includes(self)
      return placement.ownerOf(pipeline, placement.shardOf(pipeline, key)) === self
    })
    this.noteHosts()
    this.outbox.placed()
    this.kernels.placed()
    this.durable?.changed(this.standing)
  }

  /** An operator who wonders why nothing arrives finds it in the log of who sends. One thread says it for all. */
  private noteHosts(): void {
    const { thread, log } = this.options
    if (thread > 0 || this.self === undefined) return
    for (const { name, role, delivery } of this.pipelines?.values() ?? []) {
      const hosts = this.placement.hostsOf(name)
      if (hosts.length > 0) {
        if (this.unhosted.delete(name))
          log.info(`Pipeline '${name}' is hosted again, by ${hosts.map(host => host.name).join(', ')}`, {
            code: 'Hosted',
          })
      } else if (!this.unhosted.has(name)) {
        this.unhosted.add(name)
        const waits =
          delivery === 'at-least-once'
            ? 'what is sent to it waits in its stream'
            : 'what is sent to it waits as far as there is room, and questions fail'
        const cure = role === undefined ? '' : `; it is for nodes with the role '${role}'`
        log.warn(`No node hosts pipeline '${name}' now: ${waits}${cure}`, { code: 'NobodyHosts' })
      }
    }
  }

  private whereIs({ name, incarnation }: Member): 'here' | 'elsewhere' | 'unsure' {
    if (name !== this.options.node || incarnation !== this.incarnation) return 'elsewhere'
    return this.self === undefined ? 'unsure' : 'here'
  }

  private findSelf(): Member | undefined {
    if (this.leaseUntilMs === undefined || processMs() > this.leaseUntilMs) return undefined
    const member = this.placement.member(this.options.node)
    return member !== undefined && member.incarnation === this.incarnation ? member : undefined
  }

  get standing(): Standing {
    return { pipelines: this.pipelines ?? new Map(), placement: this.placement, self: this.self }
  }

  /** What came for an earlier incarnation is not heard any more: others have counted it as lost. */
  private listenAs(incarnation: string | undefined): void {
    const { bus, cluster, thread, life } = this.options
    this.listening?.unsubscribe()
    this.listening = undefined
    this.incarnation = incarnation
    this.leaseUntilMs = undefined
    this.questions.listenAs(incarnation === undefined ? undefined : { incarnation, thread, life })
    this.kernels.listenAs(incarnation === undefined ? undefined : { incarnation, thread, life })
    this.placed()
    if (incarnation === undefined) return
    const subject = threadSubject(cluster, { incarnation, thread, life })
    this.listening = bus.subscribe(subject, ({ payload }) => {
      // A lease that has run out means that others took this node for dead, and have counted this as lost. Before the first
      // one comes they may know already that the node is in.
      if (this.leaseUntilMs === undefined || processMs() <= this.leaseUntilMs) this.inbox.receive(payload)
    })
    this.sayJoined()
  }

  /** The main thread puts it into this node's entry, and then others send to here. */
  private sayJoined(): void {
    const { incarnation, options } = this
    if (incarnation === undefined || this.pipelines === undefined) return
    // The server must know of the subscription before anybody is told to send to it.
    options.bus.flush().then(
      () => {
        if (this.incarnation !== incarnation) return
        const hosted = [...(this.pipelines?.values() ?? [])].filter(({ isHosted }) => isHosted)
        options.tell({ kind: 'cluster-joined', incarnation, pipelines: hosted.map(({ name }) => name) })
      },
      // Said again when there is a connection.
      () => {},
    )
  }

  /** No messages of this thread are left on their way, and none of others to it, or the time is over. */
  async drain(limitMs: number): Promise<void> {
    await Promise.all([this.outbox.settle(limitMs), this.inbox.quiet(limitMs), this.durable?.drain(limitMs)])
  }

  async stop(): Promise<void> {
    this.endState()
    this.cancelLease?.()
    this.listening?.unsubscribe()
    this.questions.stop()
    this.kernels.stop()
    this.outbox.stop()
    this.inbox.stop()
    this.durable?.stop()
    await this.options.bus.close()
  }
}
