import { connect, type Socket } from 'node:net'

const HEAD_END = Buffer.from('\r\n\r\n')

/** One keep-alive HTTP/1.1 connection with at most one request outstanding. Reads answers with a Content-Length only. */
export class Connection {
  readonly #socket: Socket
  readonly #request: Buffer
  readonly #onAnswer: (connection: Connection, status: number) => void
  #head: Buffer | undefined
  #bodyLeft = 0
  #status = 0
  /** When the request under way is counted from, in nanoseconds since the start. */
  fromNs = 0

  constructor(options: {
    port: number
    request: Buffer
    onOpen: (connection: Connection) => void
    onAnswer: (connection: Connection, status: number) => void
    onEnd: (connection: Connection, wasOpen: boolean) => void
  }) {
    this.#request = options.request
    this.#onAnswer = options.onAnswer
    this.#socket = connect({ port: options.port, host: '127.0.0.1', noDelay: true })
    let wasOpen = false
    this.#socket.on('connect', () => {
      wasOpen = true
      options.onOpen(this)
    })
    this.#socket.on('data', chunk => this.#read(chunk))
    this.#socket.on('error', () => {}) // close follows
    this.#socket.on('close', () => options.onEnd(this, wasOpen))
  }

  send(fromNs: number): void {
    this.fromNs = fromNs
    this.#socket.write(this.#request)
  }

  close(): void {
    this.#socket.destroy()
  }

  #read(chunk: Buffer): void {
    if (this.#bodyLeft > 0) {
      this.#bodyLeft -= chunk.length
    } else {
      const head = this.#head ? Buffer.concat([this.#head, chunk]) : chunk
      const end = head.indexOf(HEAD_END)
      if (end === -1) {
        this.#head = head
        return
      }
      this.#head = undefined
      const text = head.toString('latin1', 0, end)
      this.#status = Number(text.slice(9, 12))
      const length = Number(/\r\ncontent-length: *(\d+)/i.exec(text)?.[1] ?? 0)
      this.#bodyLeft = length - (head.length - end - HEAD_END.length)
    }
    if (this.#bodyLeft <= 0) {
      this.#bodyLeft = 0
      this.#onAnswer(this, this.#status)
    }
  }
}
