import { Buffer } from 'node:buffer'
import { crc32 } from 'node:zlib'
import type { SinkEntry } from '../../../actors/sink.ts'
import { keepBytes } from '../../../runtime/kept-bytes.ts'

/** Length and checksum of what follows, four bytes each, the lowest first. */
const headBytes = 8
const lineEnd = 10

/** An entry as it stands on disk: its head, what tells of it, a line end, the document. */
export function encodeFrame({ id, timeMs, traceId, spanId, json }: SinkEntry): Buffer {
  const told = `${JSON.stringify([id, timeMs, traceId, spanId])}\n`
  const toldBytes = Buffer.byteLength(told)
  const size = toldBytes + json.length
  const frame = Buffer.allocUnsafe(headBytes + size)
  frame.write(told, headBytes)
  frame.set(json, headBytes + toldBytes)
  frame.writeUInt32LE(size, 0)
  frame.writeUInt32LE(crc32(frame.subarray(headBytes)), 4)
  return frame
}

/** The frame that begins at `offset`: its entry and where it ends; how many bytes are wanted; or that it is none. */
export type FrameReading =
  | { readonly kind: 'frame'; readonly entry: SinkEntry; readonly end: number }
  | { readonly kind: 'partial'; readonly wantedBytes: number }
  | { readonly kind: 'broken' }

/** No entry is as large: more is a length that was never written. */
const mostBytes = 512 * 1024 * 1024

export function readFrame(bytes: Buffer, offset: number): FrameReading {
  if (offset + headBytes > bytes.length) return { kind: 'partial', wantedBytes: headBytes }
  const size = bytes.readUInt32LE(offset)
  if (size === 0 || size > mostBytes) return { kind: 'broken' }
  const end = offset + headBytes + size
  if (end > bytes.length) return { kind: 'partial', wantedBytes: headBytes + size }
  const content = bytes.subarray(offset + headBytes, end)
  if (crc32(content) !== bytes.readUInt32LE(offset + 4)) return { kind: 'broken' }
  const at = content.indexOf(lineEnd)
  const told = JSON.parse(content.toString('utf8', 0, at)) as [string, number, string?, string?]
  const [id, timeMs, traceId, spanId] = told
  return {
    kind: 'frame',
    entry: {
      id,
      timeMs,
      // What was read is let go, of which other entries may be settled.
      json: keepBytes(content.subarray(at + 1)),
      traceId: traceId ?? undefined,
      spanId: spanId ?? undefined,
    },
    end,
  }
}
