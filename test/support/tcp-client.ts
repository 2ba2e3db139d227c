import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { type HTTPText, readMessage, statusOf } from './http-text.ts'

/** A TCP connection on which a test writes and reads exactly what it means, with no HTTP library in between. */
export class TcpClient {
  readonly socket: Socket
  /** All that was received, as latin1: one character per byte. */
  received = ''
  /** Whether the peer has finished sending. */
  isEnded = false
  error: Error | undefined
  /** Takes what is received instead of `received`. */
  tap: ((chunk: Buffer) => void) | undefined
  private waiting: (() => void)[] = []

  /** @param socket that is connected: ours, or one that a test's own server accepted */
  constructor(socket: Socket) {
    this.socket = socket
    socket.setNoDelay(true)
    socket.on('data', chunk => {
      if (this.tap !== undefined) {
        this.tap(chunk)
        return
      }
      this.received += chunk.toString('latin1')
      this.wake()
    })
    socket.on('end', () => this.ended())
    socket.on('error', error => {
      this.error = error
      this.ended()
    })
    socket.on('close', () => this.ended())
  }

  /** Rejects when the connection is refused. */
  static async connect(port: number, host = '127.0.0.1'): Promise<TcpClient> {
    const socket = connect({ port, host, allowHalfOpen: true })
    await once(socket, 'connect')
    return new TcpClient(socket)
  }

  write(text: string): void {
    this.socket.write(text, 'latin1')
  }

  /** Finishes our direction. */
  end(text = ''): void {
    this.socket.end(text, 'latin1')
  }

  /** All that was received so far, once it matches. Throws when the peer ends before. */
  async read(pattern: RegExp): Promise<string> {
    while (!pattern.test(this.received)) {
      if (this.isEnded) throw this.endedEarly()
      await this.news()
    }
    return this.received
  }

  /** All that was received, once the peer has finished. */
  async readToEnd(): Promise<string> {
    while (!this.isEnded) {
      await this.news()
    }
    return this.received
  }

  /** Takes the next request off the front of what was received. */
  request(): Promise<HTTPText> {
    return this.message(undefined)
  }

  /** Takes the next response off the front of what was received, interim ones included. */
  interimOrFinal(method = 'GET'): Promise<HTTPText> {
    return this.message(method)
  }

  /** Takes the next final response off the front of what was received. */
  async response(method = 'GET'): Promise<HTTPText> {
    for (;;) {
      const response = await this.message(method)
      if (statusOf(response) >= 200 || statusOf(response) === 101) return response
    }
  }

  private async message(answers: string | undefined): Promise<HTTPText> {
    for (;;) {
      const message = readMessage(this.received, { answers, isEnded: this.isEnded })
      if (message !== undefined) {
        this.received = this.received.slice(message.length)
        return message
      }
      if (this.isEnded) throw this.endedEarly()
      await this.news()
    }
  }

  private news(): Promise<void> {
    return new Promise(resolve => this.waiting.push(resolve))
  }

  private wake(): void {
    const { waiting } = this
    this.waiting = []
    for (const resolve of waiting) resolve()
  }

  private endedEarly(): Error {
    return new Error(
      `the peer ended (${this.error?.message ?? 'orderly'}) after ${JSON.stringify(this.received)}`,
    )
  }

  /** Sends a request and takes its final response. */
  async ask(request: string): Promise<HTTPText> {
    this.write(request)
    return this.response(request.slice(0, request.indexOf(' ')))
  }

  /** Forgets what was received, to wait for what comes next. */
  forget(): void {
    this.received = ''
  }

  destroy(): void {
    this.socket.destroy()
  }

  /** Ends the connection with a TCP reset. */
  reset(): void {
    this.socket.resetAndDestroy()
  }

  private ended(): void {
    this.isEnded = true
    this.wake()
  }
}

/** One HTTP/1.1 request on a connection of its own, closed after it: status and body. Rejects when it is refused or cut. */
export async function fetchOnce(port: number, path = '/'): Promise<{ status: number; body: string }> {
  const client = await TcpClient.connect(port)
  client.write(`GET ${path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n`)
  const text = await client.readToEnd()
  client.destroy()
  const match = /^HTTP\/1\.1 (\d{3})[\s\S]*?\r\n\r\n([\s\S]*)$/.exec(text)
  if (match === null) throw new Error(`no response: ${client.error?.message ?? JSON.stringify(text)}`)
  return { status: Number(match[1]), body: match[2] as string }
}
