import type { Edge } from './kernel/ledger.ts'
import type { Program } from './program.ts'

/** What became of the datagrams of one place in the script. None can be held back, so what has no room is dropped. */
export interface DatagramLedgers {
  readonly received: Edge
  readonly sent: Edge
}

/** @param place what receives and sends them @param pipeline whom they are for */
export const datagramLedgers = (program: Program, place: string, pipeline: string): DatagramLedgers => ({
  received: program.newEdge('datagrams', place, pipeline, 'drop'),
  sent: program.newEdge('datagrams', pipeline, place, 'drop'),
})

/** Counts a datagram that was accepted; `lost` names why it goes no further, if it does not. */
export function count(edge: Edge, lost: string | undefined): void {
  edge.accepted++
  if (lost === undefined) edge.delivered++
  else edge.drop(lost)
}

/** The system has refused to send one after all. */
export function countRefused({ sent }: DatagramLedgers): void {
  sent.delivered--
  sent.drop('refused')
}
