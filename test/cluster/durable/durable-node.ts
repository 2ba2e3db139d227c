/** One thread of a node that sends to durable pipelines and hosts them, with the table of nodes in the hands of the test. */

import type { LedgerRow } from '../../../actors/host.ts'
import { Edge, type Policy } from '../../../actors/kernel/ledger.ts'
import { toWire, wireBytes } from '../../../actors/kernel/wire.ts'
import type { Program, Surroundings } from '../../../actors/program.ts'
import { assemble } from '../../../actors/script/assemble.ts'
import { definitionOf } from '../../../actors/script/builder.ts'
import type { ClusterLink, ClusterReceiver, Sending } from '../../../actors/shared/cluster-link.ts'
import { NodeHost } from '../../../actors/shared/node-host.ts'
import type { SharedPipeline } from '../../../actors/shared/shared-pipelines.ts'
import type { Bus } from '../../../cluster/bus/bus.ts'
import { DurableStreams } from '../../../cluster/durable/durable-streams.ts'
import type { Member } from '../../../cluster/membership/member.ts'
import { Placement } from '../../../cluster/placement/placement.ts'
import { Message } from '../../../runtime/event.ts'
import { type Logger, noLog } from '../../../runtime/log.ts'
import { netTransport } from '../../../runtime/net/node-net.ts'
import type { Source } from '../../../runtime/turn.ts'

export const cluster = 'test'

export interface NodeOptions {
  readonly name?: string
  readonly incarnation?: string
  readonly log?: Logger
  readonly policy?: Policy
}

export class DurableNode implements ClusterLink {
  readonly durable: DurableStreams
  readonly host: NodeHost
  readonly program: Program
  readonly edge: Edge
  readonly member: Member
  private pipelines: readonly SharedPipeline[] = []

  constructor(bus: Bus, script: unknown, options: NodeOptions = {}) {
    const { name = 'a', incarnation = '1', log = noLog, policy = 'drop' } = options
    this.durable = new DurableStreams({ bus, log, cluster, node: name, thread: 0, life: 1 })
    this.host = new NodeHost(undefined, 0, 1, this)
    const surroundings: Surroundings = {
      transport: netTransport,
      thread: { id: 0, concurrency: 1 },
      log,
      explain: fault => fault.message,
      sharedPipelines: this.host,
      acquireSocket: async (_address, port) => ({ port }),
    }
    const definition = definitionOf(script)
    if (definition === undefined) throw new Error('this is no script')
    const { program, shared } = assemble(definition, 'test.ts', surroundings)
    this.program = program
    this.host.enter(program, shared).confirm()
    this.edge = new Edge('fork', 'main', 'log', policy)
    this.member = {
      name,
      incarnation,
      wires: [1],
      pipelines: this.pipelines.filter(({ isHosted }) => isHosted).map(({ name }) => name),
      threads: [1],
      state: 'serving',
    }
  }

  // ClusterLink

  attach(receiver: ClusterReceiver): void {
    this.durable.attach(receiver)
  }

  know(pipelines: readonly SharedPipeline[]): void {
    this.pipelines = pipelines
  }

  send(sending: Sending, edge: Edge, source: Source | null): void {
    this.durable.send(sending, edge, source)
  }

  leave(): void {}

  rows(): readonly LedgerRow[] {
    return this.durable.rows()
  }

  ask(): never {
    throw new Error('nobody asks here')
  }

  /** Tells it which nodes there are. */
  see(...members: Member[]): void {
    const placement = new Placement()
    placement.update(members)
    const self = members.find(({ incarnation }) => incarnation === this.member.incarnation)
    const pipelines = new Map(this.pipelines.map(each => [each.name, each]))
    this.durable.changed({ pipelines, placement, self })
  }

  /** Sends a message with this text, as a fork does. */
  log(text: string, key = '', source: Source | null = null): void {
    this.send(
      sendingOf(this.pipelines[0] as SharedPipeline, new Message({ name: text }, text), key),
      this.edge,
      source,
    )
  }

  sendMessage(message: Message, key = ''): void {
    this.send(sendingOf(this.pipelines[0] as SharedPipeline, message, key), this.edge, null)
  }

  get row(): LedgerRow {
    const [row] = this.durable.rows()
    if (row === undefined) throw new Error('it hosts nothing')
    return row
  }

  stop(): void {
    this.durable.stop()
    this.host.stop()
    this.program.stop()
  }
}

const sendingOf = (pipeline: SharedPipeline, message: Message, key: string): Sending => ({
  pipeline,
  key,
  wire: toWire(message),
  bytes: wireBytes(message),
})

/** Whether the sum of a ledger's row is right. */
export const isBalanced = (row: LedgerRow): boolean => {
  const dropped = Object.values(row.dropped).reduce((sum, events) => sum + events, 0)
  return row.accepted === row.delivered + row.duplicate + row.deadLettered + dropped + row.inFlight
}
