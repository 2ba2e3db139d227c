import { fromWire } from '../../actors/kernel/wire.ts'
import type { Failure, Work } from '../../actors/shared/work.ts'
import { after } from '../../runtime/clock.ts'
import type { FaultRecord } from '../../runtime/errors.ts'
import type { Message } from '../../runtime/event.ts'
import { RetryDelay } from '../../runtime/retry-delay.ts'
import { eventId } from './batch.ts'
import type { OpenBatch } from './open-batch.ts'

/** What an event's work says to the shard that gave it. */
export interface WorkHost {
  readonly awaitsOutput: boolean
  readonly maxDeliver: number
  delivered(work: EventWork): void
  /** It failed for the last time. */
  givenUp(work: EventWork, fault: FaultRecord): void
  /** It failed, and is tried again. */
  troubled(fault: FaultRecord): void
  /** The actor that had it has ended: it is to be given to the next. */
  again(work: EventWork): void
}

/** An event that failed is tried again after this, doubled each time: the pipeline that it failed in rests so long. */
const failureMs = { first: 100, most: 10_000 } as const
/** A service that is not available is asked again after this, doubled each time. */
const unavailableMs = { first: 250, most: 30_000 } as const
/** An actor that has ended is replaced at once, unless its program has gone: then its shard goes, too. */
const returnMs = 50

/** One event in the hands of a shared actor. */
export class EventWork implements Work {
  readonly isPaced = true
  readonly open: OpenBatch
  readonly index: number
  /** How often it has failed. */
  tries: number
  private readonly host: WorkHost
  private delay: RetryDelay | undefined
  private patience: RetryDelay | undefined

  constructor(host: WorkHost, open: OpenBatch, index: number, tries = 0) {
    this.host = host
    this.open = open
    this.index = index
    this.tries = tries
  }

  get awaitsOutput(): boolean {
    return this.host.awaitsOutput
  }

  get id(): string {
    return eventId(this.open.batch, this.index)
  }

  message(): Message | undefined {
    if (this.open.isAbandoned) return undefined
    this.open.isStarted = true
    const message = fromWire(this.open.wire(this.index))
    const { head } = message as { readonly head: { id?: unknown } }
    // What stores it can tell by its id that it has stored it before. A head that is a text has no fields.
    if (typeof head === 'object' && head.id === undefined) head.id = this.id
    return message
  }

  done(): void {
    if (!this.open.isAbandoned) this.host.delivered(this)
  }

  failed({ fault, isUnavailable }: Failure): number | undefined {
    if (this.open.isAbandoned) return undefined
    const record = fault.toRecord()
    if (isUnavailable) {
      this.host.troubled(record)
      this.patience ??= new RetryDelay(unavailableMs.first, unavailableMs.most)
      return this.patience.next()
    }
    if (++this.tries >= this.host.maxDeliver) {
      this.host.givenUp(this, record)
      return undefined
    }
    this.host.troubled(record)
    this.delay ??= new RetryDelay(failureMs.first, failureMs.most)
    return this.delay.next()
  }

  returned(): void {
    if (this.open.isAbandoned) return
    after(returnMs, () => {
      if (!this.open.isAbandoned) this.host.again(this)
    })
  }
}
