import { Buffer } from 'node:buffer'
import { isIP } from 'node:net'
import { ipv4Text, ipv6Text } from '../ip-address.ts'
import { type Violation, violations } from './violations.ts'

/** What a client asks for. Exactly one of `ip` and `domain` is there. */
export interface SOCKSRequest {
  readonly version: 4 | 5
  /** User id of SOCKS4; '' in SOCKS5. Nobody has checked it. */
  readonly id: string
  readonly ip: string | undefined
  /** A name to be resolved by us. Never an IP address written as a name: that is `ip`, so that rules for one hold. */
  readonly domain: string | undefined
  readonly port: number
}

/** Who receives what the handshake leads to. */
export interface SOCKSServerSink {
  /** Bytes that the client is to be sent at once. */
  send(bytes: Buffer): void
  /** The handshake is over but for our answer: `grantOf` or `refusalOf` the request. */
  request(request: SOCKSRequest): void
  /** The client broke a rule. Nothing comes after it. */
  violation(violation: Violation): void
}

const Version = { socks4: 4, socks5: 5 } as const
const connectCommand = 1
const noAuthentication = 0
const AddressType = { ipv4: 1, domain: 3, ipv6: 4 } as const
/** Longest user id, name and list of methods: what one byte can count, and what SOCKS4 is held to as well. */
const maxFieldBytes = 255

const Replies = {
  noAcceptableMethod: Buffer.from([5, 0xff]),
  methodNone: Buffer.from([5, noAuthentication]),
} as const

/** A SOCKS5 reply (RFC 1928 §6) with this code, and no address. */
const reply5 = (code: number): Buffer => Buffer.from([5, code, 0, AddressType.ipv4, 0, 0, 0, 0, 0, 0])
/** A SOCKS4 reply with this code, and no address. */
const reply4 = (code: number): Buffer => Buffer.from([0, code, 0, 0, 0, 0, 0, 0])

/** Tells the client that its connection is made. */
export const grantOf = ({ version }: SOCKSRequest): Buffer => (version === 5 ? reply5(0) : reply4(0x5a))

/** Tells the client that its request is not allowed. */
export const refusalOf = ({ version }: SOCKSRequest): Buffer => (version === 5 ? reply5(2) : reply4(0x5b))

const State = {
  version: 0,
  socks4Fixed: 1,
  socks4User: 2,
  socks4Domain: 3,
  methodCount: 4,
  methods: 5,
  requestFixed: 6,
  domainLength: 7,
  address: 8,
  done: 9,
} as const

/**
 * The server's side of the handshake of SOCKS4, SOCKS4a and SOCKS5 (RFC 1928): CONNECT without authentication.
 *
 *     version ─4─► port, address ─► user id ─► [name] ─► request
 *        └─5─► methods ─► (5 0) ─► command, address type ─► address, port ─► request
 *
 * It takes the bytes of the handshake and no others, and holds at most 258 of them at a time.
 */
export class SOCKSServerHandshake {
  private readonly sink: SOCKSServerSink
  private state: number = State.version
  private readonly field = Buffer.alloc(maxFieldBytes + 3)
  private size = 0
  private wanted = 1
  private addressType = 0
  private ip = ''
  private port = 0
  private id = ''

  constructor(sink: SOCKSServerSink) {
    this.sink = sink
  }

  get isDone(): boolean {
    return this.state === State.done
  }

  /** Whether not a byte has come. */
  get isFresh(): boolean {
    return this.state === State.version
  }

  /** Reads bytes. Returns the index reached: less than `end` when the handshake ends there. */
  decode(buffer: Buffer, start: number, end: number): number {
    let at = start
    while (at < end && this.state !== State.done) this.take(buffer[at++] as number)
    return at
  }

  /** The client sends no more. */
  finish(): void {
    if (this.state !== State.done) this.fail(violations.truncated)
  }

  private take(byte: number): void {
    switch (this.state) {
      case State.version:
        if (byte === Version.socks5) this.collect(State.methodCount, 1)
        else if (byte === Version.socks4) this.collect(State.socks4Fixed, 7)
        else this.fail(violations.badVersion)
        return
      case State.socks4User:
      case State.socks4Domain:
        this.takeText(byte)
        return
      default:
        this.field[this.size++] = byte
        if (this.size === this.wanted) this.takeField()
    }
  }

  private collect(state: number, wanted: number): void {
    this.state = state
    this.wanted = wanted
    this.size = 0
  }

  private takeField(): void {
    const { field } = this
    switch (this.state) {
      case State.socks4Fixed:
        this.startSOCKS4()
        return
      case State.methodCount:
        if (field[0] === 0) this.fail(violations.noMethods)
        else this.collect(State.methods, field[0] as number)
        return
      case State.methods:
        if (field.subarray(0, this.size).includes(noAuthentication)) {
          this.collect(State.requestFixed, 4)
          this.sink.send(Replies.methodNone)
        } else this.fail(violations.noAcceptableMethod, Replies.noAcceptableMethod)
        return
      case State.requestFixed:
        this.startRequest()
        return
      case State.domainLength:
        if (field[0] === 0) this.fail(violations.badDomain, reply5(1))
        else this.collect(State.address, (field[0] as number) + 2)
        return
      default:
        this.endRequest()
    }
  }

  // SOCKS4 and 4a

  private startSOCKS4(): void {
    const { field } = this
    if (field[0] !== connectCommand) {
      this.fail(violations.unsupportedCommand, reply4(0x5b))
      return
    }
    this.port = field.readUInt16BE(1)
    // 0.0.0.x with x above 0: a name follows the user id (SOCKS4a).
    this.ip = field.readUIntBE(3, 3) === 0 && field[6] !== 0 ? '' : ipv4Text(field, 3)
    this.collect(State.socks4User, 0)
  }

  /** Text that a NUL ends. */
  private takeText(byte: number): void {
    const isUser = this.state === State.socks4User
    if (byte !== 0) {
      if (this.size === maxFieldBytes)
        this.fail(isUser ? violations.userIdTooLong : violations.badDomain, reply4(0x5b))
      else this.field[this.size++] = byte
      return
    }
    const text = this.field.toString('latin1', 0, this.size)
    if (isUser) {
      this.id = text
      if (this.ip === '') this.collect(State.socks4Domain, 0)
      else this.ask(4, this.ip, undefined)
    } else this.askByName(4, text)
  }

  // SOCKS5

  private startRequest(): void {
    const [version, command, , type] = this.field
    if (version !== Version.socks5) {
      this.fail(violations.badRequestVersion, reply5(1))
      return
    }
    if (command !== connectCommand) {
      this.fail(violations.unsupportedCommand, reply5(7))
      return
    }
    this.addressType = type as number
    if (type === AddressType.ipv4) this.collect(State.address, 6)
    else if (type === AddressType.ipv6) this.collect(State.address, 18)
    else if (type === AddressType.domain) this.collect(State.domainLength, 1)
    else this.fail(violations.badAddressType, reply5(8))
  }

  private endRequest(): void {
    const { field, size, addressType } = this
    this.port = field.readUInt16BE(size - 2)
    if (addressType === AddressType.ipv4) this.ask(5, ipv4Text(field, 0), undefined)
    else if (addressType === AddressType.ipv6) this.ask(5, ipv6Text(field, 0), undefined)
    else this.askByName(5, field.toString('latin1', 0, size - 2))
  }

  private askByName(version: 4 | 5, name: string): void {
    if (isIP(name) !== 0 && !name.includes('%')) this.ask(version, name, undefined)
    else if (/^[\w.-]{1,255}$/.test(name)) this.ask(version, undefined, name)
    else this.fail(violations.badDomain, version === 5 ? reply5(1) : reply4(0x5b))
  }

  private ask(version: 4 | 5, ip: string | undefined, domain: string | undefined): void {
    this.state = State.done
    this.sink.request({ version, id: this.id, ip, domain, port: this.port })
  }

  private fail(violation: Violation, answer?: Buffer): void {
    this.state = State.done
    if (answer !== undefined) this.sink.send(answer)
    this.sink.violation(violation)
  }
}
