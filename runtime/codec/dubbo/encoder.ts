import { Buffer } from 'node:buffer'
import { type DubboHeadLike, headBytes, writeHead } from './head.ts'

/** Turns heads into bytes, and numbers those that have no id: 0, 1, 2 and so on. */
export class DubboEncoder {
  private nextID = 0

  /**
   * The 16 bytes that go before a body of `bodySize` bytes.
   *
   * @throws TrafficError `RuntimeError` when a field of the head cannot be written.
   */
  encodeHead(head: DubboHeadLike, bodySize: number): Buffer {
    const buffer = Buffer.allocUnsafe(headBytes)
    writeHead(buffer, head, bodySize, this.nextID++)
    return buffer
  }
}
