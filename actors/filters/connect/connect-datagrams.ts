import type { Buffer } from 'node:buffer'
import { Deadline } from '../../../runtime/clock.ts'
import { TrafficError } from '../../../runtime/errors.ts'
import { Data, type Event, Kind, MessageStart, messageEnd, StreamEnd } from '../../../runtime/event.ts'
import { formatAddress, parseTarget } from '../../../runtime/net/address.ts'
import { resolver } from '../../../runtime/net/resolver.ts'
import { type DatagramHandler, DatagramSocket } from '../../../runtime/net/udp.ts'
import { show } from '../../../runtime/options.ts'
import { type Source, turn } from '../../../runtime/turn.ts'
import type { Context } from '../../context.ts'
import { count, countRefused, type DatagramLedgers } from '../../datagram-ledgers.ts'
import { DatagramWriter } from '../../datagram-writer.ts'
import { Filter } from '../../filter.ts'
import { isThenable } from '../promise.ts'

/** What the filters of one place in the script share. */
export interface DatagramPlan {
  readonly target: string | ((ctx: Context) => string | PromiseLike<string>)
  readonly settings: {
    readonly bufferLimit: number
    readonly idleTimeout: number
    readonly readTimeout: number
    readonly bind: string | undefined
  }
  readonly ledgers: DatagramLedgers
}

/**
 * `connect` over UDP: each message (and each Data between messages) is sent as a datagram, each datagram that comes
 * is put out as a message.
 *
 *     idle ──first event──► resolving ──► connected ──nothing moves for idleTimeout──► ended
 *
 * A datagram that has no room is dropped, as the network would; so is what comes while what follows is paused.
 */
export class ConnectDatagrams extends Filter implements DatagramHandler, Source {
  private readonly plan: DatagramPlan
  private readonly writer = new DatagramWriter(datagram => this.send(datagram))
  private socket: DatagramSocket | null = null
  /** Datagrams that came before the socket was there. */
  private waiting: Data[] = []
  private waitingBytes = 0
  private hasStarted = false
  private inputEnded = false
  private hasEnded = false
  private pauses = 0
  private idle: Deadline | null = null
  private reading: Deadline | null = null
  private where = ''

  constructor(plan: DatagramPlan) {
    super()
    this.plan = plan
  }

  process(event: Event): void {
    if (this.hasEnded || this.inputEnded) return
    if (event.kind === Kind.streamEnd) {
      // Answers may still come: how long, idleTimeout says.
      this.inputEnded = true
      if (!this.hasStarted) this.finish(event)
      return
    }
    if (!this.hasStarted) this.start()
    this.writer.write(event)
  }

  private send(datagram: Data): void {
    this.idle?.touch()
    const { ledgers, settings } = this.plan
    if (this.socket !== null) {
      count(ledgers.sent, this.socket.send(datagram) ? undefined : 'no-room')
    } else if (this.waitingBytes + datagram.size <= settings.bufferLimit) {
      this.waiting.push(datagram.clone().keep())
      this.waitingBytes += datagram.size
      ledgers.sent.accepted++
      ledgers.sent.inFlight++
    } else count(ledgers.sent, 'no-room')
  }

  private start(): void {
    this.hasStarted = true
    const { target, settings } = this.plan
    if (settings.idleTimeout > 0) {
      this.idle = new Deadline(settings.idleTimeout, () => this.timeOut('IdleTimeout', 'idleTimeout'))
      this.idle.touch()
    }
    if (settings.readTimeout > 0) {
      this.reading = new Deadline(settings.readTimeout, () => this.timeOut('ReadTimeout', 'readTimeout'))
      this.reading.touch()
    }
    const given = typeof target === 'function' ? target(this.pipeline.context) : target
    if (isThenable(given)) this.enterWhen(given, value => this.resolve(value))
    else this.resolve(given)
  }

  private resolve(target: unknown): void {
    if (typeof target !== 'string')
      throw new TrafficError(
        'RuntimeError',
        `connect wants a target like 'host:port', and its callback gave ${show(target)}`,
      )
    const { host, port } = parseTarget(target)
    this.where = formatAddress(host, port)
    const found = resolver.resolve(host)
    if (typeof found === 'string') this.open(found, port)
    else this.enterWhen(found, ([address]) => this.open(address as string, port), true)
  }

  private open(address: string, port: number): void {
    const { bind, bufferLimit } = this.plan.settings
    const connecting = DatagramSocket.connect({ address, port, bind, bufferBytes: bufferLimit }, this)
    this.enterWhen(connecting, socket => this.opened(socket), true)
  }

  private opened(socket: DatagramSocket): void {
    this.socket = socket
    const { waiting } = this
    this.waiting = []
    const { sent } = this.plan.ledgers
    for (const datagram of waiting) {
      sent.inFlight--
      if (socket.send(datagram)) sent.delivered++
      else sent.drop('no-room')
    }
  }

  /** Goes on inside the pipeline's actor when `promise` settles. What is lost on the way is given back. */
  private enterWhen<T>(promise: PromiseLike<T>, done: (value: T) => void, isNetwork = false): void {
    const enter = (work: () => void): boolean => {
      if (this.pipeline.isStopped || this.hasEnded) return false
      turn.begin(null)
      this.pipeline.run(work)
      turn.end()
      return true
    }
    promise.then(
      value => {
        if (!enter(() => done(value)) && value instanceof DatagramSocket) value.close()
      },
      error =>
        enter(() => {
          if (!isNetwork) throw error
          this.finish(new StreamEnd(TrafficError.from(error)))
        }),
    )
  }

  received(bytes: Buffer): void {
    this.idle?.touch()
    this.reading?.touch()
    const isPaused = this.pauses > 0
    count(this.plan.ledgers.received, this.hasEnded ? 'ended' : isPaused ? 'paused' : undefined)
    if (this.hasEnded || isPaused) return
    turn.begin(this)
    this.pipeline.deliver(this.next, new MessageStart(), null)
    if (bytes.length > 0) this.pipeline.deliver(this.next, Data.over(bytes), null)
    this.pipeline.deliver(this.next, messageEnd, null)
    turn.end()
  }

  failed(error: TrafficError): void {
    turn.begin(null)
    this.finish(new StreamEnd(error))
    turn.end()
  }

  refused(): void {
    countRefused(this.plan.ledgers)
  }

  pause(): void {
    this.pauses++
  }

  resume(): void {
    if (this.pauses > 0) this.pauses--
  }

  private timeOut(code: 'IdleTimeout' | 'ReadTimeout', option: 'idleTimeout' | 'readTimeout'): void {
    const limit = `${this.where}, ${option} is ${this.plan.settings[option] / 1000} s`
    turn.begin(null)
    // Behind the last datagram there is no other sign that no answer follows.
    this.finish(new StreamEnd(this.inputEnded ? undefined : new TrafficError(code, limit)))
    turn.end()
  }

  private finish(end: StreamEnd): void {
    if (this.hasEnded) return
    this.release()
    this.pipeline.deliver(this.next, end, null)
  }

  private release(): void {
    this.hasEnded = true
    this.idle?.clear()
    this.reading?.clear()
    const { sent } = this.plan.ledgers
    sent.inFlight -= this.waiting.length
    if (this.waiting.length > 0) sent.drop('ended', this.waiting.length)
    this.waiting = []
    this.socket?.close()
    this.socket = null
  }

  override stop(): void {
    this.release()
  }
}
