import type { Source } from '../../runtime/turn.ts'
import type { LedgerRow } from '../host.ts'
import type { Edge } from '../kernel/ledger.ts'
import type { WireMessage } from '../kernel/wire.ts'
import type { Question, TakeAnswer } from './questions.ts'
import type { SharedPipeline } from './shared-pipelines.ts'
import type { Outcome, Work } from './work.ts'

/** A message on its way to a shared pipeline. */
export interface Sending {
  readonly pipeline: SharedPipeline
  readonly key: string
  readonly wire: WireMessage
  /** What it takes of a window. */
  readonly bytes: number
}

/**
 * The way from a thread to the other nodes of its cluster, as the host of shared pipelines sees it. A thread of a node
 * without a cluster has none.
 */
export interface ClusterLink {
  readonly kernels?: FarKernels | undefined
  /** Whom to give what comes for this thread, and what is this node's own. Called once, before anything else. */
  attach(receiver: ClusterReceiver): void
  /** The cluster pipelines that this thread knows from now on, those that it hosts and mere declarations. */
  know(pipelines: readonly SharedPipeline[]): void
  /** Sends it to the host of its key. `edge` has accepted it, and is told what became of it. */
  send(sending: Sending, edge: Edge, source: Source | null): void
  /** Asks the host of its key. `take` is called once, by the deadline at the latest. */
  ask(pipeline: SharedPipeline, question: Question, take: TakeAnswer): void
  /** Ledgers of what comes to this thread by ways that no filter of it begins. */
  rows(): readonly LedgerRow[]
  /** The program of these edges has ended: what they still have on its way is its last. */
  leave(edges: readonly Edge[]): void
}

/**
 * The way between the kernels of threads of different nodes. What is sent arrives in order, each once, until the other
 * end is gone, which `lost` tells; so an ask, a watch and its end are not lost as single messages may be.
 */
export interface FarKernels {
  /** Names a thread of another node as it lives now; undefined: it is not there. */
  incarnationOf(address: string): string | undefined
  /** False when it is not there, or has not taken too much already. */
  send(address: string, item: unknown): boolean
  attach(ends: FarEnds): void
}

export interface FarEnds {
  receive(address: string, item: readonly unknown[]): void
  lost(address: string): void
}

/** The host of shared pipelines, as the cluster sees it. */
export interface ClusterReceiver {
  /** Gives a message that came from another node to the actor of its key, on this thread. */
  take(name: string, key: string, wire: WireMessage, outcome: Outcome): void
  /** The same for a message that is to be acknowledged, and may be given again. */
  accept(name: string, key: string, work: Work): void
  /** Nothing more comes before some of that is answered: its actors are not to wait for more to gather. */
  hurry(name: string): void
  /** Sends it to the actor of its key on this node, on whichever of its threads that is. */
  sendWithin(sending: Sending, edge: Edge, source: Source | null): void
  /** Tells later whether all that an edge has sent within the node until now is settled. */
  markWithin(edge: Edge): () => boolean
  /** Keys have moved: the actors of those that are not this thread's any more finish what they have, and end. */
  handOver(isOurs: (pipeline: SharedPipeline, key: string) => boolean): void
  /** Gives a question that came from another node to the actor of its key, on this thread. */
  answerHere(question: Question, take: TakeAnswer): void
  /** Asks the actor of its key on this node, on whichever of its threads that is. */
  askWithin(pipeline: SharedPipeline, question: Question, take: TakeAnswer): void
}

/** The thread of a node on which a shard is: threads and nodes agree on it without asking each other. */
export const threadOfShard = (shard: number, threads: number): number => shard % threads
