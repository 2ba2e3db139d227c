import { Buffer } from 'node:buffer'
import { ipBytes } from '../ip-address.ts'
import { type Violation, violations } from './violations.ts'

/** Who receives what the handshake leads to. */
export interface SOCKSClientSink {
  /** Bytes that the server is to be sent at once. */
  send(bytes: Buffer): void
  /** The connection is made: all that follows is its own. */
  established(): void
  /** The server has refused, with a code of RFC 1928 §6. Nothing comes after it. */
  refused(code: number): void
  /** The server broke a rule. Nothing comes after it. */
  violation(violation: Violation): void
}

/** What the codes of a reply mean, RFC 1928 §6. */
const replies: readonly string[] = [
  'succeeded',
  'general failure of the SOCKS server',
  'not allowed by its rules',
  'network unreachable',
  'host unreachable',
  'connection refused',
  'time to live expired',
  'command not supported',
  'address type not supported',
]

export const replyText = (code: number): string => replies[code] ?? `reply ${code}`

const State = { method: 0, fixed: 1, domainLength: 2, address: 3, done: 4 } as const

/**
 * The client's side of the handshake of SOCKS5 (RFC 1928): CONNECT without authentication.
 *
 *     start: (5 1 0) ─► method ─► request sent ─► reply ─► address ─► established, or refused
 */
export class SOCKSClientHandshake {
  private readonly sink: SOCKSClientSink
  private readonly request: Buffer
  private state: number = State.method
  private readonly field = Buffer.alloc(4)
  private size = 0
  private wanted = 2
  private code = 0

  /** @param host an IP address or a name of at most 255 bytes */
  constructor(sink: SOCKSClientSink, host: string, port: number) {
    this.sink = sink
    this.request = requestOf(host, port)
  }

  get isDone(): boolean {
    return this.state === State.done
  }

  start(): void {
    this.sink.send(Buffer.from([5, 1, 0]))
  }

  /** Reads bytes. Returns the index reached: less than `end` when the handshake ends there. */
  decode(buffer: Buffer, start: number, end: number): number {
    let at = start
    while (at < end && this.state !== State.done) {
      // The address that the server connects from says nothing to us.
      if (this.state !== State.address) this.field[this.size] = buffer[at] as number
      at++
      if (++this.size === this.wanted) this.takeField()
    }
    return at
  }

  /** The server sends no more. */
  finish(): void {
    if (this.state !== State.done) this.fail(violations.truncated)
  }

  private collect(state: number, wanted: number): void {
    this.state = state
    this.wanted = wanted
    this.size = 0
  }

  private takeField(): void {
    const [first, second, , type] = this.field
    switch (this.state) {
      case State.method:
        if (first !== 5) this.fail(violations.badReply)
        else if (second !== 0) this.fail(violations.authenticationWanted)
        else {
          this.collect(State.fixed, 4)
          this.sink.send(this.request)
        }
        return
      case State.fixed:
        this.code = second as number
        if (first !== 5) this.fail(violations.badReply)
        else if (type === 1) this.collect(State.address, 6)
        else if (type === 4) this.collect(State.address, 18)
        else if (type === 3) this.collect(State.domainLength, 1)
        // Servers that refuse may leave the address out, or make it up.
        else if (this.code !== 0) this.end()
        else this.fail(violations.badReply)
        return
      case State.domainLength:
        this.collect(State.address, (first as number) + 2)
        return
      default:
        this.end()
    }
  }

  private end(): void {
    this.state = State.done
    if (this.code === 0) this.sink.established()
    else this.sink.refused(this.code)
  }

  private fail(violation: Violation): void {
    this.state = State.done
    this.sink.violation(violation)
  }
}

function requestOf(host: string, port: number): Buffer {
  const ip = ipBytes(host)
  const address = ip ?? Buffer.from(host, 'latin1')
  const head = ip === undefined ? [5, 1, 0, 3, address.length] : [5, 1, 0, ip.length === 4 ? 1 : 4]
  const bytes = Buffer.alloc(head.length + address.length + 2)
  bytes.set(head)
  address.copy(bytes, head.length)
  bytes.writeUInt16BE(port, bytes.length - 2)
  return bytes
}
