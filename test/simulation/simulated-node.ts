/**
 * A node of a cluster in one process with others: what `cluster/node.ts` and `cluster/worker.ts` put together for the cluster, with
 * one thread, a clock and a bus of the simulation, and no sockets. Its script has two pipelines, one delivered at most once and
 * one at least once.
 */

import { sluice } from '../../actors/index.ts'
import { Edge } from '../../actors/kernel/ledger.ts'
import type { Program, Surroundings } from '../../actors/program.ts'
import { assemble } from '../../actors/script/assemble.ts'
import { definitionOf } from '../../actors/script/builder.ts'
import type { ScriptDefinition } from '../../actors/script/script-definition.ts'
import { NodeHost } from '../../actors/shared/node-host.ts'
import type { Bus } from '../../cluster/bus/bus.ts'
import { ClusterNode } from '../../cluster/cluster-node.ts'
import { ClusterThread } from '../../cluster/cluster-thread.ts'
import { DurableStreams } from '../../cluster/durable/durable-streams.ts'
import { after } from '../../runtime/clock.ts'
import { Message, type MessageStart } from '../../runtime/event.ts'
import type { Logger } from '../../runtime/log.ts'
import { netTransport } from '../../runtime/net/node-net.ts'
import { turn } from '../../runtime/turn.ts'
import type { Sent } from './history.ts'

export type PipelineName = 'live' | 'kept'

export interface NodeParts {
  readonly name: string
  /** Which of the processes that had this name. */
  readonly life: string
  readonly buses: { readonly main: Bus; readonly thread: Bus }
  readonly log: Logger
  /** How long a logger takes over a message; it throws when it gives false. */
  readonly work: (pipeline: PipelineName, sent: Sent) => number | false
  readonly took: (pipeline: PipelineName, sent: Sent) => void
}

const heartbeatMs = 1_000
/** Between the main thread and its worker. */
const hopMs = 0.05

export class SimulatedNode {
  readonly name: string
  readonly life: string
  readonly parts: NodeParts
  readonly edges: Readonly<Record<PipelineName, Edge>>
  readonly thread: ClusterThread
  readonly node: ClusterNode
  isDown = false
  isLeaving = false
  private readonly host: NodeHost
  private readonly program: Program
  private readonly numbers = new Map<string, number>()

  constructor(parts: NodeParts) {
    const { name, life, buses, log } = parts
    this.parts = parts
    this.name = name
    this.life = life
    this.edges = {
      live: new Edge('fork', life, 'live', 'drop'),
      kept: new Edge('fork', life, 'kept', 'drop'),
    }
    this.node = new ClusterNode({
      bus: buses.main,
      settings: { cluster: 'simulated', node: name, roles: undefined, heartbeatMs },
      threads: 1,
      log,
      tell: note => void after(hopMs, () => this.thread.hear(note)),
    })
    const part = { bus: buses.thread, cluster: 'simulated', node: name, thread: 0, life: 1, log }
    this.thread = new ClusterThread(
      { ...part, tell: joined => void after(hopMs, () => this.node.joined(0, 1, joined)) },
      new DurableStreams(part),
    )
    this.host = new NodeHost(undefined, 0, 1, this.thread)
    const { program, shared } = assemble(
      definitionOf(this.script()) as ScriptDefinition,
      'simulation',
      this.surroundings(log),
    )
    this.program = program
    this.host.enter(program, shared).confirm()
    this.node.start()
  }

  private script(): unknown {
    const take = (pipeline: PipelineName) => (message: Message) => {
      const sent = message.head as Sent
      const ms = this.parts.work(pipeline, sent)
      if (ms === false) throw new Error('a logger that fails now and then')
      return new Promise<Message>(resolve => {
        after(ms, () => {
          this.took(pipeline, sent)
          resolve(message)
        })
      })
    }
    return sluice({ key: '' })
      .pipeline('live', { placement: 'cluster', key: ctx => ctx.key, shards: 16 })
      .handleMessageStart((start: MessageStart) => this.took('live', start.head as Sent))
      .dummy()
      .pipeline('kept', { placement: 'cluster', key: ctx => ctx.key, delivery: 'at-least-once', shards: 4 })
      .replaceMessage(take('kept'))
  }

  private took(pipeline: PipelineName, sent: Sent): void {
    // What a process does after its death has not happened.
    if (!this.isDown) this.parts.took(pipeline, sent)
  }

  private surroundings(log: Logger): Surroundings {
    return {
      transport: netTransport,
      thread: { id: 0, concurrency: 1 },
      log,
      explain: fault => fault.message,
      sharedPipelines: this.host,
      acquireSocket: async (_address, port) => ({ port }),
    }
  }

  /** Gives what was sent. */
  send(pipeline: PipelineName, key: string): Sent {
    const stream = `${pipeline} ${key}`
    const number = (this.numbers.get(stream) ?? 0) + 1
    this.numbers.set(stream, number)
    const sent: Sent = { id: `${this.life}/${pipeline}/${key}/${number}`, sender: this.life, key, number }
    const context = this.program.newContext(undefined)
    context.key = key
    turn.begin(null)
    try {
      this.edges[pipeline].accepted++
      this.host.send(pipeline, new Message({ ...sent }), context, this.edges[pipeline], null)
    } finally {
      turn.end()
    }
    return sent
  }

  /** The process is gone in the middle of whatever it did. To be called when its buses are dead. */
  crash(): void {
    this.isDown = true
    this.end()
  }

  /** It drains and goes, as after SIGTERM. */
  async leave(): Promise<void> {
    this.isLeaving = true
    await this.node.drain()
    await this.host.flush(5_000)
    await this.thread.drain(5_000)
    await this.host.flush(500)
    if (this.isDown) return
    await this.node.leave()
    await this.thread.stop()
    this.isDown = true
    this.program.stop()
    this.host.stop()
  }

  /** Ends timers, so that the simulation has an end. */
  end(): void {
    this.isDown = true
    void this.node.leave()
    void this.thread.stop()
    this.program.stop()
    this.host.stop()
  }
}
