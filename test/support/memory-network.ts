/**
 * What lies between the clients of a bus in memory and its broker: messages take their time, get lost, come twice, overtake
 * each other between subjects but never within one from one sender; connections stall, break and come back.
 */

import { after, monotonicMs } from '../../runtime/clock.ts'
import type { Random } from './random.ts'

/** How bad the way is. Rates are from 0 to 1. */
export interface Weather {
  readonly minDelayMs: number
  readonly maxDelayMs: number
  /** Messages on subjects that do not arrive. */
  readonly dropRate: number
  /** Messages on subjects that arrive twice. */
  readonly duplicateRate: number
  /** Calls (to buckets and streams) whose question or answer is lost: the caller cannot know which. */
  readonly callLossRate: number
}

export const fairWeather: Weather = {
  minDelayMs: 0.1,
  maxDelayMs: 2,
  dropRate: 0,
  duplicateRate: 0,
  callLossRate: 0,
}

export class MemoryNetwork {
  weather: Weather = fairWeather
  readonly random: Random
  /** What is on its way, by direction, sender and subject: what is first in a lane arrives first. */
  private readonly lanes = new Map<string, (() => void)[]>()

  constructor(random: Random) {
    this.random = random
  }

  delayMs(): number {
    return this.random.between(this.weather.minDelayMs, this.weather.maxDelayMs)
  }

  /** Runs `arrive` after a while, behind what was sent on this lane before. */
  send(lane: string, arrive: () => void): void {
    const waiting = this.lanes.get(lane)
    if (waiting === undefined) this.lanes.set(lane, [arrive])
    else waiting.push(arrive)
    after(this.delayMs(), () => this.arrived(lane))
  }

  private arrived(lane: string): void {
    const waiting = this.lanes.get(lane)
    const arrive = waiting?.shift()
    if (waiting?.length === 0) this.lanes.delete(lane)
    arrive?.()
  }
}

/** 'broken': it leads nowhere, and the client has not noticed. */
type LinkState = 'up' | 'broken' | 'down'

/** Between attempts of a client to connect again. */
const reconnectMs = { least: 50, most: 500 } as const

/** One client's connection to the broker. */
export class MemoryLink {
  state: LinkState = 'up'
  /** Bytes that have been sent and have not arrived. */
  underWay = 0
  private readonly network: MemoryNetwork
  private readonly name: string
  private readonly changed: (isUp: boolean) => void
  /** Counts connections: what was sent over an earlier one is lost. */
  private epoch = 1
  private isHindered = false
  private isStalled = false
  private isClosed = false
  private held: (() => void)[] = []
  private lastDueMs = 0

  /** @param changed tells the client that he is, or is no more, connected */
  constructor(network: MemoryNetwork, name: string, changed: (isUp: boolean) => void) {
    this.network = network
    this.name = name
    this.changed = changed
  }

  /** To the broker; whether it arrives nobody says. */
  toBroker(subject: string, bytes: number, arrive: () => void): void {
    const { epoch } = this
    this.underWay += bytes
    if (this.state !== 'up') return
    this.lastDueMs = monotonicMs() + this.network.weather.maxDelayMs
    this.network.send(`${this.name}>${subject}`, () =>
      this.unlessStalled(() => {
        if (epoch !== this.epoch) return
        this.underWay -= bytes
        arrive()
      }),
    )
  }

  /** To the client. Lost when the connection breaks before it is there. */
  toClient(lane: string, arrive: () => void): void {
    const { epoch } = this
    if (this.state !== 'up') return
    this.network.send(`${this.name}<${lane}`, () =>
      this.unlessStalled(() => {
        if (epoch === this.epoch && this.state === 'up' && !this.isClosed) arrive()
      }),
    )
  }

  /** Resolves when the broker has what was sent before; never when the connection breaks. */
  flushed(): Promise<void> {
    return new Promise(resolve => {
      after(Math.max(0, this.lastDueMs - monotonicMs()) + this.network.delayMs(), () => {
        this.toClient('flush', resolve)
      })
    })
  }

  /** Nothing gets through any more; the client notices after `noticeMs`, and can connect again after `mend`. */
  break(noticeMs: number): void {
    this.isHindered = true
    if (this.state !== 'up') return
    this.epoch++
    this.state = 'broken'
    after(noticeMs, () => {
      if (this.state !== 'broken' || this.isClosed) return
      this.state = 'down'
      this.underWay = 0
      this.held = []
      this.isStalled = false
      this.changed(false)
      this.reconnectSoon()
    })
  }

  mend(): void {
    this.isHindered = false
  }

  /** All waits, and nothing is lost. */
  stall(): void {
    this.isStalled = true
  }

  resume(): void {
    this.isStalled = false
    const held = this.held
    this.held = []
    for (const arrive of held) arrive()
  }

  close(): void {
    this.isClosed = true
    this.epoch++
    this.state = 'down'
  }

  private unlessStalled(arrive: () => void): void {
    if (this.isStalled) this.held.push(arrive)
    else arrive()
  }

  private reconnectSoon(): void {
    after(this.network.random.between(reconnectMs.least, reconnectMs.most), () => {
      if (this.isClosed || this.state !== 'down') return
      if (this.isHindered) this.reconnectSoon()
      else {
        this.epoch++
        this.state = 'up'
        this.changed(true)
      }
    })
  }
}
