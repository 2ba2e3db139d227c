/** Clients of a fleet: steady requests over connections that stay open, each with an id of its own and one of a few keys. */

import { Agent, type IncomingMessage, request } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'

/** Connections that are used at one time. */
const clients = 8
const keys = 32

export class FleetTraffic {
  /** Ids of those that were answered. */
  readonly answered: string[] = []
  readonly failures: string[] = []
  private readonly agent = new Agent({ keepAlive: true, maxSockets: clients })
  private readonly port: number
  private readonly body: Buffer
  private readonly done: Promise<unknown>
  private isEnding = false
  private sent = 0

  constructor(port: number, perSecond: number, bodyBytes: number) {
    this.port = port
    this.body = Buffer.alloc(bodyBytes, 'x')
    const everyMs = (1_000 * clients) / perSecond
    this.done = Promise.all(Array.from({ length: clients }, (_, client) => this.run(client, everyMs)))
  }

  /** Resolves when so many more have been answered or have failed. */
  async more(count: number): Promise<void> {
    const until = this.answered.length + this.failures.length + count
    while (this.answered.length + this.failures.length < until) await pause(5)
  }

  /** Sends no more; resolves when all have been answered. */
  async end(): Promise<void> {
    this.isEnding = true
    await this.done
    this.agent.destroy()
  }

  /** A key belongs to one client, so that its requests have an order. */
  private async run(client: number, everyMs: number): Promise<void> {
    let nextMs = performance.now()
    for (let i = 0; !this.isEnding; i++) {
      const key = `k${client + clients * (i % (keys / clients))}`
      const id = `${++this.sent}`
      try {
        const status = await this.send(id, key)
        if (status === 200) this.answered.push(id)
        else this.failures.push(`${id}: ${status}`)
      } catch (error) {
        this.failures.push(`${id}: ${error}`)
      }
      nextMs = Math.max(nextMs + everyMs, performance.now() - 100)
      await pause(Math.max(0, nextMs - performance.now()))
    }
  }

  /**
   * As clients do: when a connection that was used before breaks and nothing was answered, it was closed while the request
   * was on its way, and the request is sent again on another (RFC 9110 §9.2.2).
   */
  private async send(id: string, key: string): Promise<number | undefined> {
    for (;;) {
      const sending = request({
        agent: this.agent,
        port: this.port,
        host: '127.0.0.1',
        method: this.body.length > 0 ? 'POST' : 'GET',
        headers: { 'x-id': id, 'x-key': key },
        timeout: 5_000,
      })
      try {
        const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
        sending.once('response', resolve).once('error', reject)
        sending.once('timeout', () => sending.destroy(new Error('no answer for 5 s')))
        sending.end(this.body)
        const response = await promise
        response.resume()
        await new Promise((resolve, reject) => response.once('end', resolve).once('error', reject))
        return response.statusCode
      } catch (error) {
        if (!sending.reusedSocket || (error as { code?: string }).code !== 'ECONNRESET') throw error
      }
    }
  }
}
