import { after } from '../runtime/clock.ts'
import type { Logger } from '../runtime/log.ts'
import type { ClusterStatus } from './admin/node-status.ts'
import type { Bus } from './bus/bus.ts'
import type { ClusterJoined, ClusterNote } from './cluster-notes.ts'
import type { Member } from './membership/member.ts'
import { Membership, type MembershipListener } from './membership/membership.ts'
import { type ClusterSettings, deathMs } from './settings.ts'

export interface ClusterNodeOptions {
  readonly bus: Bus
  readonly settings: Pick<ClusterSettings, 'cluster' | 'node' | 'roles' | 'heartbeatMs'>
  readonly threads: number
  readonly log: Logger
  /** Tells all threads that are there. */
  readonly tell: (note: ClusterNote) => void
}

/** How long a server that does not answer may keep a node from leaving. */
const leaveMs = 2000

/** The main thread's part of a node in a cluster: it is a member, and tells the threads who the others are. */
export class ClusterNode implements MembershipListener {
  readonly bus: Bus
  private readonly membership: Membership
  private readonly settings: ClusterNodeOptions['settings']
  private readonly tell: (note: ClusterNote) => void
  /** The last of each kind, for threads that start. */
  private readonly notes = new Map<ClusterNote['kind'], ClusterNote>()

  constructor({ bus, settings, threads, log, tell }: ClusterNodeOptions) {
    this.bus = bus
    this.settings = settings
    this.tell = tell
    const { cluster, node, roles, heartbeatMs } = settings
    this.membership = new Membership({
      bus,
      cluster,
      node,
      roles,
      threads,
      heartbeatMs,
      deathMs: deathMs(settings),
      log,
      listener: this,
    })
  }

  start(): void {
    this.membership.start()
  }

  /** Who is there, as this node sees it. */
  get status(): ClusterStatus {
    const { isIn, life, members } = this.membership
    const { cluster: name, node } = this.settings
    return { name, node, incarnation: life, isIn, isConnected: this.bus.isConnected, members }
  }

  /** What a thread that starts is to know. */
  get present(): readonly ClusterNote[] {
    return [...this.notes.values()]
  }

  joined(thread: number, life: number, { incarnation, pipelines }: ClusterJoined): void {
    this.membership.threadJoined(thread, life, incarnation, pipelines)
  }

  threadDied(thread: number): void {
    this.membership.threadLeft(thread)
  }

  /** Takes no new keys; those that it has move to others. Resolves when they know, or cannot be told. */
  drain(): Promise<void> {
    return within(leaveMs, this.membership.drain())
  }

  /** The others know that it is gone, and no more is heard of it. */
  async leave(): Promise<void> {
    await within(leaveMs, this.membership.leave())
    await within(leaveMs, this.bus.close())
  }

  changed(members: readonly Member[]): void {
    this.pass({ kind: 'cluster-members', members })
  }

  incarnation(incarnation: string | undefined): void {
    this.pass({ kind: 'cluster-self', incarnation })
  }

  lease(untilMs: number): void {
    this.pass({ kind: 'cluster-lease', untilMs })
  }

  private pass(note: ClusterNote): void {
    this.notes.set(note.kind, note)
    this.tell(note)
  }
}

/** Waits for a promise, but no longer than this; what goes wrong with it is no reason to stay. */
function within(ms: number, work: Promise<unknown>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const cancel = after(ms, resolve)
  work
    .catch(() => {})
    .finally(() => {
      cancel()
      resolve()
    })
  return promise
}
