// Hot path: once per turn and receiver.

import { Packr } from 'msgpackr'

/** How everybody who packs messages is set up: what one has written another can read. */
export const packing = { useRecords: true, moreTypes: false, encodeUndefinedAsNil: false } as const

/**
 * The form in which messages travel between threads: a msgpack array of items. An event that appears many times in a
 * frame has its field names written once (msgpackr's records), and byte arrays come out as views of the frame.
 */
const packr = new Packr(packing)

/** The frame of some items, in memory of its own, so that it can be moved to another thread instead of copied. */
export function packFrame(items: readonly unknown[]): Uint8Array<ArrayBuffer> {
  // msgpackr packs into a pooled buffer: posting a view of it would clone the whole pool.
  return new Uint8Array(packr.pack(items))
}

export function unpackFrame(frame: Uint8Array): unknown[] {
  return packr.unpack(frame)
}
