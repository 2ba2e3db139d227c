// Hot path of sinks: some hundred thousand documents a second pass here, and what it takes at a time delays the other sinks of the thread.

import type { Buffer } from 'node:buffer'
import { bodyMemory } from '../body-memory.ts'
import type { Item } from '../destination.ts'

/** Ids that JSON takes as they are. */
const isPlain = /^[\w.:/+=-]+$/
/** The action around an id. */
const actionBytes = 32
/** Of an id, for each of its characters, when all of them must be escaped. */
const escapedBytes = 6

/**
 * The body of a bulk request, in which each document is created under its own id: one that is there already is then refused
 * with 409 and not stored twice. Written straight into its memory, document by document, as the bytes that they are.
 */
export function bulkBody(batch: readonly Item[]): Buffer {
  let bytes = 0
  for (let i = 0; i < batch.length; i++) {
    const { id, json } = (batch[i] as Item).entry
    bytes += actionBytes + id.length * escapedBytes + json.length
  }
  const body = bodyMemory(bytes)
  let at = 0
  for (let i = 0; i < batch.length; i++) {
    const { id, json } = (batch[i] as Item).entry
    at += isPlain.test(id)
      ? body.write(`{"create":{"_id":"${id}"}}\n`, at, 'latin1')
      : body.write(`{"create":{"_id":${JSON.stringify(id)}}}\n`, at)
    body.set(json, at)
    at += json.length
    body[at++] = newline
  }
  return body.subarray(0, at)
}

const newline = 10
