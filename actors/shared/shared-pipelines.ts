import type { TrafficError } from '../../runtime/errors.ts'
import type { Message } from '../../runtime/event.ts'
import type { Source } from '../../runtime/turn.ts'
import type { Context } from '../context.ts'
import type { Edge } from '../kernel/ledger.ts'
import type { PipelineLayout } from '../pipeline.ts'

/** The message that a pipeline has put out for one that it was asked, or why there is none. */
export type TakeReply = (reply: Message | TrafficError) => void

/** A pipeline with `placement: 'node'` or `'cluster'`, as those need it who send to it or host it. */
export interface SharedPipeline {
  /** The same on all nodes that have the script. */
  readonly name: string
  readonly placement: 'node' | 'cluster'
  readonly layout: PipelineLayout
  readonly key: ((ctx: Context) => unknown) | undefined
  readonly maxIdleMs: number
  /** Whether this node runs its actors. False: it is a declaration here, and other nodes do. */
  readonly isHosted: boolean
  readonly role: string | undefined
  readonly delivery: 'at-most-once' | 'at-least-once'
  readonly fanout: 'one' | 'all'
  /** Parts that the keys fall into, each of which is on one node. */
  readonly shards: number
  readonly maxMessageBytes: number
  /** With delivery 'at-least-once'. */
  readonly durable: DurableSettings | undefined
}

/** What a pipeline with delivery 'at-least-once' wants of its stream, and when a message is done. */
export interface DurableSettings {
  readonly acknowledge: 'output' | 'taken'
  /** A pipeline that puts nothing out for so long, while messages await it, has failed. 0: never. */
  readonly answerWithinMs: number
  readonly maxDeliver: number
  readonly streamBytes: number
  readonly streamAgeMs: number
  readonly duplicateWindowMs: number
  /** 0: as many as the servers suggest. */
  readonly replicas: number
}

/**
 * How a program reaches the pipelines that it shares with other threads and nodes: one actor per key, wherever it is. A
 * filter does not know whether that is its own thread.
 */
export interface SharedPipelines {
  /**
   * Sends one whole message to pipeline `name`. `edge` has accepted it already and is told what became of it.
   * `source` is paused while the window of a `block` edge is full.
   */
  send(name: string, message: Message, context: Context, edge: Edge, source: Source | null): void
  /** Asks pipeline `name`; `take` is called once, by the deadline at the latest. @throws what the script's `key` throws */
  ask(name: string, message: Message, context: Context, deadlineMs: number, take: TakeReply): void
}
