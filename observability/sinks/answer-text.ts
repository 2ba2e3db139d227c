import { Buffer } from 'node:buffer'
import type { Readable } from 'node:stream'
import { after } from '../../runtime/clock.ts'

/**
 * More than an answer to any request of ours has: to 10,000 documents, each refused with a reason, Elasticsearch says some
 * 3 MB.
 */
export const mostAnswerBytes = 16 * 1024 * 1024

/**
 * The body of an answer as text. A server that goes on without end, or brings a byte now and then, has not answered.
 *
 * @throws Error when there is more than the limit, or it is not whole in time; the connection is closed then
 */
export async function answerText(body: Readable, timeoutMs: number): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  const cancel = after(timeoutMs, () =>
    body.destroy(new Error(`the answer was not whole within ${timeoutMs} ms`)),
  )
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      bytes += chunk.length
      if (bytes > mostAnswerBytes) throw new Error(`the answer has more than ${mostAnswerBytes} bytes`)
      chunks.push(chunk)
    }
  } finally {
    cancel()
  }
  return Buffer.concat(chunks).toString()
}
