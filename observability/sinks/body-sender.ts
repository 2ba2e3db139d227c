import type { Buffer } from 'node:buffer'
import { giveBack } from './body-memory.ts'
import type { HTTPNodes, NodeAnswer, NodeRequest } from './http-nodes.ts'
import { packed } from './packed.ts'

/** The bodies of one sink on their way to its server, packed if that is wanted, with what all of its requests say. */
export class BodySender {
  private readonly nodes: HTTPNodes
  private readonly compresses: boolean
  private readonly headers: Readonly<Record<string, string>>

  constructor(nodes: HTTPNodes, compresses: boolean, headers: Readonly<Record<string, string>>) {
    this.nodes = nodes
    this.compresses = compresses
    this.headers = compresses ? { ...headers, 'content-encoding': 'gzip' } : headers
  }

  /** @returns the answer, and the bytes of the body as it was sent */
  async send(
    method: NodeRequest['method'],
    path: string,
    plain: Buffer,
    more?: Readonly<Record<string, string>>,
  ): Promise<{ readonly answer: NodeAnswer; readonly sentBytes: number }> {
    const body = this.compresses ? await packed(plain) : plain
    // A plain one may be on its way still when the answer is there.
    if (this.compresses) giveBack(plain)
    const headers = more === undefined ? this.headers : { ...this.headers, ...more }
    return { answer: await this.nodes.send({ method, path, headers, body }), sentBytes: body.length }
  }

  close(): Promise<void> {
    return this.nodes.close()
  }
}
