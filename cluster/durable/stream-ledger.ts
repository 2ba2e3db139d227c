import type { LedgerRow } from '../../actors/host.ts'
import { Edge } from '../../actors/kernel/ledger.ts'

/**
 * The hop from a stream to the pipeline that it belongs to, as the thread sees it that hosts shards of it. It counts events,
 * each time that one comes:
 *
 *     accepted = delivered + duplicate + dead-lettered + dropped{handed-back} + in flight
 *
 * - delivered: the pipeline says that it is done
 * - duplicate: this host knows that it is done, or has it in hand; the pipeline did not get it again
 * - dead-lettered: given up, and kept among the dead letters
 * - handed-back: the shard went to another host before it was done; it is accepted there again
 * - in flight: in hand, not done yet
 *
 * The hop before it, from a filter to the stream, is that filter's own edge: there, delivered means stored. So over all
 * nodes and times: stored = delivered + dead-lettered + still in the stream, plus `delivered` once more for each event
 * whose host died, or lost its shard, after the pipeline had done it and before the stream knew. Those are at most
 * `redelivered`: events that came to a host after one before it had had them, and may have been done by both.
 */
export class StreamLedger {
  readonly edge: Edge
  redelivered = 0

  constructor(stream: string, pipeline: string) {
    this.edge = new Edge('stream', stream, pipeline, 'block')
  }

  row(): LedgerRow {
    return { ...this.edge.row(), redelivered: this.redelivered }
  }
}
