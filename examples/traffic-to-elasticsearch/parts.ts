/** What the demonstration is made of beside the fleet: processes that end with it, an origin, clients. */

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { SluiceProcess, type StartOptions } from '../../test/support/sluice.ts'

type End = () => unknown

/** Everything that was started, ended in reverse order. In the form in which the tests' own parts want it. */
export class Cast {
  private readonly ends: End[] = []

  teardown(end: End): void {
    this.ends.unshift(end)
  }

  async end(): Promise<void> {
    for (const end of this.ends.splice(0)) await end()
  }

  sluice(args: readonly string[], options: StartOptions): SluiceProcess {
    const process = new SluiceProcess(args, options)
    this.teardown(async () => {
      process.signal('SIGKILL')
      await process.exited
    })
    return process
  }

  /** A shop: it knows tea, takes orders, and has lost everything else. Returns its address. */
  async origin(): Promise<string> {
    const server = createServer((request, response) => {
      request.resume()
      const status = request.url?.startsWith('/tea') ? 200 : request.url?.startsWith('/orders') ? 201 : 404
      const body = JSON.stringify({ path: request.url, stock: 7 })
      response
        .writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) })
        .end(body)
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    this.teardown(() => {
      server.closeAllConnections()
      server.close()
    })
    return `127.0.0.1:${(server.address() as AddressInfo).port}`
  }
}

/** Clients that ask one after the other until they are told to stop, and count what they got. */
export class Clients {
  answered = 0
  failed = 0
  private isOver = false
  private readonly running: Promise<void>[]

  constructor(ports: readonly number[], count: number) {
    this.running = Array.from({ length: count }, (_, i) => this.run(ports[i % ports.length] as number, i))
  }

  private async run(port: number, client: number): Promise<void> {
    for (let i = 0; !this.isOver; i++) {
      try {
        await this.ask(`http://127.0.0.1:${port}`, client, i)
        this.answered++
      } catch {
        this.failed++
      }
    }
  }

  private async ask(base: string, client: number, i: number): Promise<void> {
    const path = i % 10 === 9 ? '/lost' : i % 3 === 2 ? '/orders' : `/tea?client=${client}&n=${i}`
    const order = { tea: i, cardNumber: '4111 1111 1111 1111', user: { password: 'hush' } }
    const response = await fetch(base + path, {
      ...(path === '/orders' && { method: 'POST', body: JSON.stringify(order) }),
      headers: { 'content-type': 'application/json', authorization: 'Bearer hush' },
    })
    await response.text()
    if (response.status >= 500) throw new Error(`status ${response.status}`)
  }

  /** Resolves when `count` have been answered from now on. */
  async more(count: number): Promise<void> {
    const goal = this.answered + count
    while (this.answered < goal) await new Promise(resolve => setTimeout(resolve, 10))
  }

  async stop(): Promise<void> {
    this.isOver = true
    await Promise.all(this.running)
  }
}
