import type { Message } from '../runtime/event.ts'
import type { Source } from '../runtime/turn.ts'
import type { Context } from './context.ts'
import type { Edge } from './kernel/ledger.ts'

/**
 * How a program reaches its pipelines with `placement: 'node'`: one actor per key for all threads, on the thread that
 * the key hashes to. A filter does not know whether that is its own.
 */
export interface NodePipelines {
  /**
   * Sends one whole message to pipeline `name`. `edge` has accepted it already and is told what became of it.
   * `source` is paused while the window of a `block` edge is full.
   */
  send(name: string, message: Message, context: Context, edge: Edge, source: Source | null): void
}
