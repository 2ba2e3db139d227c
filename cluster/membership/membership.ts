import { randomUUID } from 'node:crypto'
import { after, every, monotonicMs, processMs, wallMs } from '../../runtime/clock.ts'
import { TrafficError } from '../../runtime/errors.ts'
import type { Logger } from '../../runtime/log.ts'
import type { Bucket, Bus, Subscription } from '../bus/bus.ts'
import {
  decodeMember,
  encodeMember,
  type Member,
  type MemberState,
  memberBucket,
  speaksWith,
  wireVersions,
} from './member.ts'
import { MemberTable } from './member-table.ts'

export interface MembershipOptions {
  readonly bus: Bus
  readonly cluster: string
  readonly node: string
  readonly roles: readonly string[] | undefined
  /** Threads that the node should have. */
  readonly threads: number
  readonly heartbeatMs: number
  readonly deathMs: number
  readonly log: Logger
  readonly listener: MembershipListener
  /** Names a life of the node. */
  readonly newIncarnation?: (() => string) | undefined
}

export interface MembershipListener {
  /** Who is there now, this node included once its entry is. */
  changed(members: readonly Member[]): void
  /** This node has another incarnation: its threads are to listen as that. Undefined: it is no member any more. */
  incarnation(incarnation: string | undefined): void
  /** The other nodes take this one for alive until then (`processMs`), at least. */
  lease(untilMs: number): void
}

/**
 * A node's part in its cluster: it says that it lives, and sees who else does.
 *
 *     joining ──entry written──► in ──no heartbeat got through for the death limit──► out ──┐
 *        ▲                       │  └── another node has taken the name ──► displaced       │
 *        └───────────────────────┼──────────── as a new incarnation ────────────────────────┘
 *                                └── leave ──► left
 *
 * Time is judged on each node's own clock: the others count from when they saw a heartbeat, this node from before it
 * sent it, so that it always knows that it is out before the others act on it. What was sent to an incarnation that was
 * out is never processed afterwards, because the node comes back as another one.
 *
 * Two nodes with one name: the one that came later has it. The earlier one finds that when its next heartbeat fails;
 * it leaves the cluster, says so as an error, and goes on serving the traffic that needs no other node.
 */
export class Membership {
  private readonly options: MembershipOptions
  private readonly table: MemberTable
  private bucket: Bucket | undefined
  private watching: Subscription | undefined
  private isOpening = false
  private attempts = 0
  private cancelHeartbeat: (() => void) | undefined
  private state: MemberState = 'serving'
  private incarnation = ''
  /** All that this process has had. */
  private readonly incarnations = new Set<string>()
  /** Of our entry; undefined before there is one. */
  private revision: number | undefined
  private hasJoined = false
  private isDisplaced = false
  private hasLeft = false
  private leaseUntilMs = Number.NEGATIVE_INFINITY
  /** Lives and pipelines of the threads that listen as the present incarnation. */
  private readonly threads = new Map<
    number,
    { readonly life: number; readonly pipelines: readonly string[] }
  >()
  private writing: Promise<void> | undefined
  private isDirty = false
  private readonly foreign = new Set<string>()
  /** What was last told of what keeps it out. */
  private trouble: string | undefined

  constructor(options: MembershipOptions) {
    this.options = options
    this.table = new MemberTable(options.deathMs)
  }

  /** Begins. It goes on by itself, whether the bus is connected yet or not. */
  start(): void {
    this.beNew()
    this.cancelHeartbeat = every(this.options.heartbeatMs, () => this.beat())
    void this.open()
  }

  get members(): readonly Member[] {
    return this.table.members
  }

  /** As what it is in the cluster, or wants to be; undefined: another node has taken its name. */
  get life(): string | undefined {
    return this.isDisplaced ? undefined : this.incarnation
  }

  /** Whether the other nodes take this one for alive. */
  get isIn(): boolean {
    return processMs() <= this.leaseUntilMs
  }

  private async open(): Promise<void> {
    const { bus, cluster } = this.options
    if (this.isOpening) return
    this.isOpening = true
    // What an attempt that looked as if it had failed still brings is not listened to.
    const attempt = ++this.attempts
    const isLatest = (): boolean => attempt === this.attempts && !this.hasLeft
    try {
      const bucket = await bus.bucket(memberBucket(cluster))
      let isInitial = true
      const watching = await bucket.watch(
        entry => {
          if (isLatest() && this.table.note(entry) && !isInitial) this.changed()
        },
        () => {
          if (!isLatest()) return
          isInitial = false
          this.changed()
        },
      )
      this.watching = watching
      this.bucket = bucket
      if (this.hasLeft) watching.unsubscribe()
      else this.write()
    } catch (thrown) {
      if (this.hasLeft) return
      this.troubled(`Cannot see the nodes of cluster '${cluster}'`, thrown)
    } finally {
      this.isOpening = false
    }
  }

  /** A thread listens as this incarnation and hosts these pipelines. */
  threadJoined(thread: number, life: number, incarnation: string, pipelines: readonly string[]): void {
    if (incarnation !== this.incarnation) return
    this.threads.set(thread, { life, pipelines })
    this.write()
  }

  threadLeft(thread: number): void {
    if (this.threads.delete(thread)) this.write()
  }

  /** Its keys move to other nodes. Resolves when the cluster knows, or cannot be told. */
  async drain(): Promise<void> {
    this.state = 'draining'
    this.write()
    while (this.writing !== undefined) await this.writing
  }

  /** The node is gone, for the others at once. */
  async leave(): Promise<void> {
    this.hasLeft = true
    this.cancelHeartbeat?.()
    this.watching?.unsubscribe()
    while (this.writing !== undefined) await this.writing
    if (this.revision === undefined || this.isDisplaced || !this.options.bus.isConnected) return
    await this.bucket?.delete(this.options.node, this.revision).catch(() => {})
  }

  private beNew(): void {
    this.incarnation =
      this.options.newIncarnation?.() ?? `${Math.floor(wallMs()).toString(36)}-${randomUUID().slice(0, 8)}`
    this.incarnations.add(this.incarnation)
    this.threads.clear()
    this.options.listener.incarnation(this.incarnation)
  }

  private beat(): void {
    const { bus, deathMs, heartbeatMs, log } = this.options
    if (this.bucket === undefined && bus.isConnected) void this.open()
    // While nothing gets through to us, or from us, the silence of others says nothing. Each heartbeat of our own comes
    // back to us before the next, so that a little more than one without a word is long.
    const recentMs = 2 * heartbeatMs
    const isDeaf =
      !bus.isConnected ||
      monotonicMs() - this.table.heardMs > 1.2 * heartbeatMs ||
      (!this.isDisplaced && processMs() > this.leaseUntilMs - deathMs + recentMs)
    const dead = this.table.sweep(isDeaf, heartbeatMs)
    for (const { key, revision, member } of dead) {
      log.warn(`Node '${member.name}' is silent and counts as dead: its keys move`, { code: 'NodeDied' })
      // Only if it has not been written since: we may be wrong.
      if (!this.isDisplaced) void this.bucket?.delete(key, revision).catch(() => {})
    }
    if (dead.length > 0) this.changed()
    if (this.isDisplaced) void this.listen()
    else this.write()
  }

  /** One that writes no heartbeats asks whether it would hear those of others. */
  private async listen(): Promise<void> {
    try {
      await this.bucket?.get(this.options.node)
      this.table.heardMs = monotonicMs()
    } catch {
      // It would not.
    }
  }

  private changed(): void {
    const { members } = this.table
    for (const member of members) this.checkVersion(member)
    this.options.log.debug(`Nodes: ${members.map(show).join(', ')}`, { code: 'NodesChanged' })
    this.options.listener.changed(members)
    const own = members.find(({ name }) => name === this.options.node)
    // Somebody has taken our name or swept us: found out at once, not at the next heartbeat.
    if (this.hasJoined && own?.incarnation !== this.incarnation) this.write()
  }

  private checkVersion(member: Member): void {
    if (speaksWith(member) || this.foreign.has(member.incarnation)) return
    this.foreign.add(member.incarnation)
    this.options.log.error(
      `Node '${member.name}' speaks version ${member.wires.join(', ')} of the wire format, and this one ${wireVersions.join(', ')}: they do not send to each other. Bring both to the same version of Sluice`,
      { code: 'WireVersion', source: 'cluster' },
    )
  }

  /** Writes our entry soon, one write after the other, and again when something changed meanwhile. */
  private write(): void {
    if (this.hasLeft || this.isDisplaced || this.bucket === undefined || !this.options.bus.isConnected) return
    if (this.writing !== undefined) {
      this.isDirty = true
      return
    }
    this.writing = this.writeNow(this.bucket).finally(() => {
      this.writing = undefined
      if (!this.isDirty) return
      this.isDirty = false
      this.write()
    })
  }

  private async writeNow(bucket: Bucket): Promise<void> {
    const { node, cluster, deathMs, log, listener } = this.options
    if (this.hasJoined && !this.isIn) {
      log.warn(
        'This node was cut off for so long that the others take it for dead; it comes back as a new one',
        {
          code: 'NodeRejoins',
        },
      )
      this.hasJoined = false
      this.beNew()
    }
    const startedMs = processMs()
    try {
      const revision = await this.inTime(this.put(bucket))
      if (revision === undefined) {
        await this.lostEntry(bucket)
        return
      }
      this.revision = revision
      if (!this.hasJoined) log.info(`Node '${node}' is in cluster '${cluster}'`, { code: 'NodeJoined' })
      this.hasJoined = true
      this.trouble = undefined
      this.leaseUntilMs = startedMs + deathMs
      listener.lease(this.leaseUntilMs)
    } catch (thrown) {
      // One that is in has until its lease is over, and then says that.
      if (!this.hasJoined) this.troubled(`Node '${node}' cannot enter cluster '${cluster}'`, thrown)
      else log.debug(`A heartbeat failed: ${TrafficError.from(thrown, 'ClusterError').message}`)
    }
  }

  /** What is tried again at each heartbeat mostly fails as it did before: told when it is something else. */
  private troubled(doing: string, thrown: unknown): void {
    const fault = TrafficError.from(thrown, 'ClusterError')
    const text = `${doing}: ${fault.message}`
    if (text === this.trouble) return
    this.trouble = text
    this.options.log.error(`${text}. It is tried again.`, { code: fault.code, source: fault.source })
  }

  /** A node that comes takes its name from whoever has it; one that is there keeps it only while nobody else came. */
  private put(bucket: Bucket): Promise<number | undefined> {
    const { node } = this.options
    const entry = encodeMember(this.entry())
    return this.revision === undefined
      ? bucket.put(node, entry)
      : this.revision === 0
        ? bucket.create(node, entry)
        : bucket.update(node, entry, this.revision)
  }

  /** A server that is slow once must not cost the lease: the next heartbeat tries again, and finds out what was stored. */
  private inTime<T>(answer: Promise<T>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    const limitMs = 2 * this.options.heartbeatMs
    const cancel = after(limitMs, () =>
      reject(new TrafficError('AskTimeout', `the bucket of the nodes, ${limitMs} ms`)),
    )
    answer.then(resolve, reject).finally(cancel)
    return promise
  }

  private entry(): Member {
    const { node, roles, threads } = this.options
    const joined = [...this.threads.values()]
    const [first, ...others] = joined
    return {
      name: node,
      incarnation: this.incarnation,
      wires: wireVersions,
      roles,
      // What all have: while a reload is under way, some may not know a pipeline yet, or any more.
      pipelines: (first?.pipelines ?? []).filter(name =>
        others.every(({ pipelines }) => pipelines.includes(name)),
      ),
      threads: Array.from({ length: threads }, (_, slot) => this.threads.get(slot)?.life ?? 0),
      state: this.state,
    }
  }

  /** Our entry is not as we left it: deleted, because we counted as dead, or another's. */
  private async lostEntry(bucket: Bucket): Promise<void> {
    const found = await this.inTime(bucket.get(this.options.node))
    const by =
      found?.value === undefined ? undefined : (decodeMember(found.value)?.incarnation ?? 'unreadable')
    if (found === undefined || by === undefined) {
      this.revision = 0
      if (this.hasJoined) this.beNew()
      this.hasJoined = false
      this.isDirty = true
    } else if (this.incarnations.has(by)) {
      // A write that we took for failed had got through.
      this.revision = found.revision
      this.isDirty = true
    } else this.displaced(by)
  }

  private displaced(by: string): void {
    const { node, cluster, listener, log } = this.options
    this.isDisplaced = true
    this.leaseUntilMs = Number.NEGATIVE_INFINITY
    listener.incarnation(undefined)
    listener.lease(this.leaseUntilMs)
    log.error(
      `Another node has come with the name '${node}' (${by}): this one has left cluster '${cluster}', hosts nothing for it any more, and serves on alone. Give each node its own --node, and start this one again`,
      { code: 'NodeDisplaced', source: 'cluster' },
    )
  }
}

function show({ name, state, threads, pipelines }: Member): string {
  const there = threads.filter(life => life > 0).length
  return `${name} (${state}, ${there} of ${threads.length} threads, ${pipelines.length} pipelines)`
}
