import { Buffer } from 'node:buffer'
import { crc32 } from 'node:zlib'
import type { SinkEntry } from '../../../actors/sink.ts'

/** Length and checksum of what follows, four bytes each, the lowest first. */
const headBytes = 8

/** An entry as it stands on disk: its head, what tells of it, a line end, the document. */
export function encodeFrame({ id, timeMs, traceId, spanId, json }: SinkEntry): Buffer {
  const text = `${JSON.stringify([id, timeMs, traceId, spanId])}\n${json}`
  const size = Buffer.byteLength(text)
  const frame = Buffer.allocUnsafe(headBytes + size)
  frame.write(text, headBytes)
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
  const text = content.toString()
  const at = text.indexOf('\n')
  const [id, timeMs, traceId, spanId] = JSON.parse(text.slice(0, at)) as [string, number, string?, string?]
  return {
    kind: 'frame',
    entry: {
      id,
      timeMs,
      json: text.slice(at + 1),
      traceId: traceId ?? undefined,
      spanId: spanId ?? undefined,
    },
    end,
  }
}
