// Hot path: once per logged exchange.

/**
 * Entries on their way to the companion, one behind the other in one piece of memory. Each is
 *
 *     kind, end; then of a note: form, record (see `record-bytes.ts`)
 *                of an entry: sink, number, id, time, JSON, trace id, span id, place in a trace
 *                of a refusal: the same, and the reason
 */

import type { ExchangeRecord } from '../../../actors/filters/traffic/exchange-record.ts'
import { readRecord, recordRoom, writeRecord } from '../../../actors/filters/traffic/record-bytes.ts'
import type { SinkEntry } from '../../../actors/sink.ts'
import { keepBytes } from '../../../runtime/kept-bytes.ts'
import { BytesReader, type BytesWriter, roomFor } from '../../../runtime/pool/packed-bytes.ts'

export const EntryKind = { note: 0, entry: 1, refusal: 2 } as const

/** Kind, end, form or sink, number. */
const headBytes = 32

export const noteRoom = (record: ExchangeRecord): number => headBytes + recordRoom(record)

export function writeNote(form: number, record: ExchangeRecord, out: BytesWriter): void {
  const start = begin(EntryKind.note, out)
  out.count(form)
  writeRecord(record, out)
  end(start, out)
}

/** @param reason of a refusal; '' for an entry */
export function entryRoom({ id, json, traceId, spanId, trace }: SinkEntry, reason: string): number {
  const names = roomFor(id) + roomFor(traceId ?? '') + roomFor(spanId ?? '') + roomFor(trace ?? '')
  return headBytes + names + 4 + json.length + roomFor(reason)
}

/** @param number by which its outcome is asked for; 0: nobody asks */
export function writeEntry(
  sink: number,
  number: number,
  entry: SinkEntry,
  reason: string | undefined,
  out: BytesWriter,
): void {
  const start = begin(reason === undefined ? EntryKind.entry : EntryKind.refusal, out)
  out.count(sink)
  out.number(number)
  out.text(entry.id)
  out.number(entry.timeMs)
  out.bytes(entry.json, entry.json.length)
  out.text(entry.traceId ?? '')
  out.text(entry.spanId ?? '')
  out.text(entry.trace ?? '')
  if (reason !== undefined) out.text(reason)
  end(start, out)
}

function begin(kind: number, out: BytesWriter): number {
  out.byte(kind)
  out.at += 4
  return out.at - 4
}

function end(start: number, out: BytesWriter): void {
  const { at } = out
  out.at = start
  out.count(at)
  out.at = at
}

/** Takes what `EntryReader` finds. */
export interface EntryTaker {
  /** @param record undefined when it cannot be read: `fault` says why */
  note(form: number, bytes: number, record: ExchangeRecord | undefined, fault: unknown): void
  entry(sink: number, bytes: number, number: number, entry: SinkEntry, reason: string | undefined): void
}

/** Gives each entry to `taker`, in order. */
export function readEntries(memory: ArrayBuffer, bytes: number, taker: EntryTaker): void {
  const from = new BytesReader(memory)
  while (from.at < bytes) {
    const start = from.at
    const kind = from.byte()
    const next = from.count()
    const target = from.count()
    if (kind === EntryKind.note) {
      let record: ExchangeRecord | undefined
      let fault: unknown
      try {
        record = readRecord(from)
      } catch (error) {
        fault = error
      }
      taker.note(target, next - start, record, fault)
    } else {
      const number = from.number()
      const entry = {
        id: from.text(),
        timeMs: from.number(),
        // The memory goes back to the thread that it came from.
        json: keepBytes(from.bytes()),
        traceId: from.text() || undefined,
        spanId: from.text() || undefined,
        trace: from.text() || undefined,
      }
      taker.entry(target, next - start, number, entry, kind === EntryKind.refusal ? from.text() : undefined)
    }
    from.at = next
  }
}
