/** Threads of nodes that send to each other over a bus in memory, in virtual time, and remember what they got. */

import type { ExecutionContext } from 'ava'
import { Edge, type Policy } from '../../../actors/kernel/ledger.ts'
import { wireMessageBytes } from '../../../actors/kernel/wire.ts'
import type { ClusterReceiver, Sending } from '../../../actors/shared/cluster-link.ts'
import type { SharedPipeline } from '../../../actors/shared/shared-pipelines.ts'
import type { Outcome } from '../../../actors/shared/work.ts'
import type { Bus } from '../../../cluster/bus/bus.ts'
import { Inbox } from '../../../cluster/delivery/inbox.ts'
import { Outbox } from '../../../cluster/delivery/outbox.ts'
import { threadSubject } from '../../../cluster/delivery/subjects.ts'
import type { Member } from '../../../cluster/membership/member.ts'
import { Placement } from '../../../cluster/placement/placement.ts'
import { noLog } from '../../../runtime/log.ts'
import type { Source } from '../../../runtime/turn.ts'
import { MemoryBroker } from '../../support/memory-bus.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

export interface Got {
  readonly by: string
  readonly key: string
  readonly number: number
}

export const pipeline = (more: Partial<SharedPipeline> = {}): SharedPipeline =>
  ({
    name: 'log',
    placement: 'cluster',
    key: undefined,
    maxIdleMs: 0,
    isHosted: true,
    role: undefined,
    delivery: 'at-most-once',
    fanout: 'one',
    shards: 64,
    maxMessageBytes: 16 * 1024 * 1024,
    durable: undefined,
    ...more,
  }) as SharedPipeline

/** No two hosts have the same incarnation, also when they have the same name. */
let lives = 0

/** A node of one thread that hosts the pipeline. */
class TestHost {
  readonly name: string
  readonly bus: Bus
  readonly inbox: Inbox
  /** Holds answers back: the actors are busy. */
  isBusy = false
  private life = 0
  private readonly held: Outcome[] = []
  private listening: { unsubscribe(): void } | undefined

  constructor(bus: Bus, name: string, got: (got: Got) => void, maxMessageBytes: number) {
    this.name = name
    this.bus = bus
    this.inbox = new Inbox({ bus, cluster: 'test', log: noLog, maxMessageBytes: () => maxMessageBytes })
    this.inbox.attach({
      take: (_name, key, wire, outcome) => {
        got({ by: name, key, number: (wire[0] as { number: number }).number })
        if (this.isBusy) this.held.push(outcome)
        else outcome(true)
      },
    } as ClusterReceiver)
    this.beNew()
  }

  /** Listens as another incarnation: what was sent to the one before does not reach it. */
  beNew(): void {
    this.listening?.unsubscribe()
    this.life = ++lives
    const { incarnation } = this.member
    this.listening = this.bus.subscribe(
      threadSubject('test', { incarnation, thread: 0, life: 1 }),
      ({ payload }) => this.inbox.receive(payload),
    )
  }

  get member(): Member {
    const { name, life } = this
    return {
      name,
      incarnation: `${name}-${life}`,
      wires: [1],
      pipelines: ['log'],
      threads: [1],
      state: 'serving',
    }
  }

  finish(): void {
    for (const outcome of this.held.splice(0)) outcome(true)
  }
}

export class Network {
  readonly clock = new VirtualClock()
  readonly broker: MemoryBroker
  readonly placement = new Placement()
  readonly hosts = new Map<string, TestHost>()
  readonly got: Got[] = []
  readonly bus: Bus
  readonly outbox: Outbox
  readonly sentWithin: Sending[] = []
  private readonly maxMessageBytes: number
  private number = 0

  constructor(t: ExecutionContext | undefined, seed = 1, maxMessageBytes = 16 * 1024 * 1024) {
    const restore = this.clock.install()
    t?.teardown(() => this.close(restore))
    this.maxMessageBytes = maxMessageBytes
    this.broker = new MemoryBroker(seed)
    this.bus = this.broker.connect()
    this.outbox = new Outbox({
      bus: this.bus,
      cluster: 'test',
      placement: this.placement,
      log: noLog,
      whereIs: () => 'elsewhere',
      sendWithin: sending => this.sentWithin.push(sending),
      markWithin: () => () => true,
    })
    this.close = () => {
      this.outbox.stop()
      for (const { inbox } of this.hosts.values()) inbox.stop()
      this.broker.close()
      restore()
    }
  }

  close: (restore?: () => void) => void

  /** Nodes come; the sender knows them from now on. */
  join(...names: string[]): TestHost[] {
    const hosts = names.map(
      name => new TestHost(this.broker.connect(), name, got => this.got.push(got), this.maxMessageBytes),
    )
    for (const host of hosts) this.hosts.set(host.name, host)
    this.place()
    return hosts
  }

  /** The sender hears that a node is dead, or has gone. */
  lose(name: string): void {
    this.hosts.get(name)?.inbox.stop()
    this.hosts.delete(name)
    this.place()
  }

  place(change: (member: Member) => Member = member => member): void {
    this.placement.update([...this.hosts.values()].map(({ member }) => change(member)))
    this.outbox.placed()
  }

  edge(policy: Policy = 'drop'): Edge {
    return new Edge('fork', 'test', 'log', policy)
  }

  send(
    edge: Edge,
    key: string,
    {
      bytes = 0,
      to = pipeline(),
      source = null,
    }: { bytes?: number; to?: SharedPipeline; source?: Source | null } = {},
  ): number {
    const number = ++this.number
    const wire = [{ number }, bytes === 0 ? null : new Uint8Array(bytes).fill(number), null, null] as const
    edge.accepted++
    this.outbox.send({ pipeline: to, key, wire, bytes: wireMessageBytes(wire) }, edge, source)
    return number
  }

  numbers(by?: string): number[] {
    return this.got.filter(got => by === undefined || got.by === by).map(({ number }) => number)
  }
}
