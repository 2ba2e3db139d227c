import { createHash, type Hash } from 'node:crypto'
import type { Data } from '../../../runtime/event.ts'
import { methodOf } from '../compression/methods.ts'
import { BodyCapture } from './body-capture.ts'
import { decompress } from './decompressed.ts'
import { type HeadSnapshot, responseView, snapshotOf } from './head-snapshot.ts'
import { type MediaType, mediaTypeOf } from './media-type.ts'

/** A body as it is compared: its bytes, or the hash of more than those. */
export interface AnswerBody {
  readonly bytes: Buffer
  readonly hash: string
  readonly isCut: boolean
}

/** One of two answers to the same request, as it passes by. It keeps so much of the body; of longer ones a hash. */
export class Answer {
  error = ''
  isDone = false
  private snapshot: HeadSnapshot | null = null
  private readonly capture = BodyCapture.take()
  private readonly limitBytes: number
  private hash: Hash | null = null

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes
  }

  start(head: object): void {
    this.snapshot = snapshotOf(head)
  }

  add(data: Data): void {
    const { capture, limitBytes } = this
    if (this.hash === null && capture.size + data.size > limitBytes) {
      this.hash = createHash('sha256')
      this.hash.update(capture.buffer.subarray(0, capture.length))
    }
    this.hash?.update(data.bytes())
    capture.add(data, limitBytes)
  }

  get hasStarted(): boolean {
    return this.snapshot !== null
  }

  get bodyBytes(): number {
    return this.capture.size
  }

  get status(): number {
    return this.snapshot === null ? 0 : responseView(this.snapshot).status
  }

  get headers(): Readonly<Record<string, unknown>> {
    return this.snapshot === null ? {} : responseView(this.snapshot).headers
  }

  get type(): MediaType {
    return mediaTypeOf(String(this.headers['content-type'] ?? ''))
  }

  /** The body as it was before it was compressed, if that can be told. */
  async body(): Promise<AnswerBody> {
    const { capture, hash, limitBytes } = this
    const bytes = capture.buffer.subarray(0, capture.length)
    const method = methodOf(this.headers['content-encoding'])
    if (hash !== null) return { bytes, hash: hash.digest('hex'), isCut: true }
    if (method === undefined) return { bytes, hash: '', isCut: false }
    const plain = await decompress(bytes, method, limitBytes)
    return { bytes: plain.bytes, hash: '', isCut: false }
  }

  release(): void {
    this.capture.release()
  }
}
