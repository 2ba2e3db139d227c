import { Quota } from '../../../runtime/api/algo/quota.ts'
import { TrafficError } from '../../../runtime/errors.ts'
import { type Event, Kind, StreamEnd } from '../../../runtime/event.ts'
import { BlockedSources } from '../../../runtime/net/blocked-sources.ts'
import { flag, parseSize, type Resolved, show, size } from '../../../runtime/options.ts'
import { turn } from '../../../runtime/turn.ts'
import type { Context } from '../../context.ts'
import { Filter } from '../../filter.ts'
import { weigh } from '../../kernel/mailbox.ts'
import type { FilterCall, FilterDefinition, StageKind } from '../definition.ts'
import { type Account, Accounts, perSecond, type Waiter } from './account.ts'

const options = {
  blockInput: flag(true, 'Pauses the socket that the stream comes from as long as it has to wait.'),
  bufferLimit: size(
    16 * 1024 * 1024,
    'Bytes that may wait, when what they come from cannot be paused; more ends the stream with BufferOverflow.',
  ),
} as const

type Settings = Resolved<typeof options>

/** What the filters of one place in the script share. */
interface Plan {
  readonly name: string
  readonly quota: unknown
  readonly account: unknown
  readonly settings: Settings
  readonly accounts: Accounts
  /** The quota of an account for which the script gives a number. */
  readonly quotaOf: (amount: number) => Quota
}

/** Holds events back until their account has enough for them, and pauses where they come from meanwhile. */
abstract class Throttle extends Filter implements Waiter {
  private readonly plan: Plan
  /** Undefined before the first event; null when there is no limit. */
  private account: Account | null | undefined
  private readonly queue: Event[] = []
  private queuedBytes = 0
  private readonly blocked = new BlockedSources()
  private hasFailed = false

  constructor(plan: Plan) {
    super()
    this.plan = plan
  }

  process(event: Event): void {
    if (this.hasFailed) return
    if (this.account === undefined) this.account = this.open()
    const { account } = this
    if (account === null) this.next.process(event)
    else if (this.queue.length > 0) this.hold(event)
    else if ((account.isContended && this.costs(event)) || !this.pass(event, account.quota)) {
      this.hold(event)
      account.wait(this)
    }
  }

  /** Whether the event uses anything up. */
  protected abstract costs(event: Event): boolean

  /** Puts the event out, or as much of it as the quota has; what is put out of a Data is taken off it. */
  protected abstract pass(event: Event, quota: Quota): boolean

  private open(): Account | null {
    const { accounts, account, name, quota, quotaOf } = this.plan
    const { context } = this.pipeline
    const given = typeof quota === 'function' ? (quota as (ctx: Context) => unknown)(context) : quota
    if (given instanceof Quota) return accounts.open(given, () => given)
    if (given === undefined || given === null) return null
    const amount = parseSize(given)
    if (amount === undefined && typeof given !== 'number')
      throw new TrafficError(
        'RuntimeError',
        `${name} wants a number, text like '100k' or a Quota, and got ${show(given)}`,
      )
    if (amount === undefined || !(Number(given) > 0 || amount > 0)) return null
    const exact = typeof given === 'number' ? given : amount
    const key = typeof account === 'function' ? (account as (ctx: Context) => unknown)(context) : account
    return accounts.open(key, () => quotaOf(exact))
  }

  private hold(event: Event): void {
    const { blockInput, bufferLimit } = this.plan.settings
    this.queuedBytes += weigh(event)
    if (this.queuedBytes > bufferLimit) {
      this.hasFailed = true
      this.release()
      this.next.process(
        new StreamEnd(
          new TrafficError('BufferOverflow', `what ${this.plan.name} holds back is over bufferLimit`),
        ),
      )
      return
    }
    this.queue.push(event.kind === Kind.data ? event.keep() : event)
    if (blockInput) this.blocked.block(turn.source)
  }

  goOn(): boolean {
    turn.begin(null)
    this.pipeline.run(() => this.empty())
    turn.end()
    return this.queue.length === 0
  }

  private empty(): void {
    const { account, queue } = this
    if (account === null || account === undefined) return
    for (;;) {
      const event = queue[0]
      if (event === undefined) break
      const weight = weigh(event)
      const isThrough = this.pass(event, account.quota)
      this.queuedBytes -= weight
      if (!isThrough) {
        this.queuedBytes += weigh(event)
        return
      }
      queue.shift()
    }
    this.blocked.release()
  }

  private release(): void {
    this.queue.length = 0
    this.queuedBytes = 0
    this.blocked.release()
    this.account?.leave(this)
    this.account = null
  }

  override stop(): void {
    this.hasFailed = true
    this.release()
  }
}

/** Takes a whole unit, or nothing. */
function takeOne(quota: Quota): boolean {
  if (quota.current < 1) return false
  const taken = quota.consume(1)
  if (taken === 1) return true
  // Another thread was quicker.
  quota.produce(taken)
  return false
}

class ThrottleMessages extends Throttle {
  private readonly counted: number

  constructor(plan: Plan, counted: number) {
    super(plan)
    this.counted = counted
  }

  protected costs(event: Event): boolean {
    return event.kind === this.counted
  }

  protected pass(event: Event, quota: Quota): boolean {
    if (event.kind === this.counted && !takeOne(quota)) return false
    this.next.process(event)
    return true
  }
}

class ThrottleData extends Throttle {
  protected costs(event: Event): boolean {
    return event.kind === Kind.data && event.size > 0
  }

  protected pass(event: Event, quota: Quota): boolean {
    if (event.kind === Kind.data && event.size > 0) {
      const granted =
        Math.floor(quota.current) >= 1 ? quota.consume(Math.min(event.size, Math.floor(quota.current))) : 0
      if (granted < event.size) {
        if (granted >= 1) this.next.process(event.shift(granted))
        return false
      }
    }
    this.next.process(event)
    return true
  }
}

class ThrottleConcurrency extends Throttle {
  private held: Quota | null = null

  protected costs(): boolean {
    return this.held === null
  }

  protected pass(event: Event, quota: Quota): boolean {
    if (this.held === null) {
      if (!takeOne(quota)) return false
      this.held = quota
    }
    this.next.process(event)
    return true
  }

  override stop(): void {
    super.stop()
    const { held } = this
    this.held = null
    held?.produce(1)
  }
}

const isOptions = (value: unknown): boolean =>
  typeof value === 'object' &&
  value !== null &&
  Object.getPrototypeOf(value) === Object.prototype &&
  Object.keys(value).length > 0 &&
  Object.keys(value).every(key => Object.hasOwn(options, key))

function planOf(call: FilterCall, quotaOf: (amount: number) => Quota): Plan {
  const quota = call.take()
  if (
    typeof quota !== 'function' &&
    !(quota instanceof Quota) &&
    typeof quota !== 'number' &&
    parseSize(quota) === undefined
  )
    throw new TrafficError(
      'BadOption',
      `${call.name} wants a number, text like '100k', a Quota, or a callback that gives one, and got ${show(quota)}`,
    )
  const account = call.remaining > 0 && !isOptions(call.peek()) ? call.take() : undefined
  const settings = call.options(options)
  return { name: call.name, quota, account, settings, accounts: new Accounts(), quotaOf }
}

const accountDoc =
  'The quota is a number, text, a Quota, or a callback (ctx) that gives one, asked once per stream; nothing, 0 and less mean no limit. All streams that pass here in a thread share one account, or one for each value of account (which may be a callback (ctx), and an object); a Quota is its own account, for all threads when it has a key. Those who wait are served in turn, and the sockets that feed them are paused.'

const definition = (
  name: string,
  summary: string,
  unit: string,
  accepts: StageKind,
  example: string,
  quotaOf: (amount: number) => Quota,
  create: (plan: Plan) => Filter,
): FilterDefinition => ({
  name,
  aliases: [],
  signature: '(quota[, account[, options]])',
  summary,
  doc: `${unit} ${accountDoc}`,
  accepts,
  emits: 'same',
  options,
  example,
  build: call => {
    const plan = planOf(call, quotaOf)
    return { name, create: () => create(plan) }
  },
})

export const throttleMessageRate = definition(
  'throttleMessageRate',
  'Limits the number of messages per second',
  'Lets so many messages begin per second, and holds further ones back.',
  'messages',
  '$.throttleMessageRate(100, ctx => ctx.user)',
  perSecond,
  plan => new ThrottleMessages(plan, Kind.messageStart),
)

export const throttleDataRate = definition(
  'throttleDataRate',
  'Limits the number of bytes per second',
  'Lets so many bytes pass per second, to the byte, and holds further ones back.',
  'any',
  "listen(8000).throttleDataRate('1m').connect('127.0.0.1:8080')",
  perSecond,
  plan => new ThrottleData(plan),
)

export const throttleConcurrency = definition(
  'throttleConcurrency',
  'Limits the number of streams at one time',
  'Lets so many streams be under way at one time; a further one waits until one of them is closed.',
  'any',
  '$.throttleConcurrency(10, ctx => ctx.user)',
  amount => new Quota(amount),
  plan => new ThrottleConcurrency(plan),
)

export const tap: FilterDefinition = {
  name: 'tap',
  aliases: [],
  signature: '(quota[, account])',
  summary: 'Limits the number of messages or bytes per second',
  doc: `The filter of Pipy's first generation: a number lets so many messages end per second, text like '100k' so many bytes pass. ${accountDoc}`,
  accepts: 'any',
  emits: 'same',
  options,
  example: "$.tap('100k', ctx => ctx.user)",
  build: call => {
    const plan = planOf(call, perSecond)
    if (typeof plan.quota === 'function') return { name: 'tap', create: () => new Tap(plan) }
    return {
      name: 'tap',
      create: () =>
        typeof plan.quota === 'string' ? new ThrottleData(plan) : new ThrottleMessages(plan, Kind.messageEnd),
    }
  },
}

/** What is counted is only known when the callback has given the quota. */
class Tap extends Filter {
  private readonly plan: Plan
  private inner: Throttle | null = null

  constructor(plan: Plan) {
    super()
    this.plan = plan
  }

  process(event: Event): void {
    this.inner ??= this.open()
    this.inner.process(event)
  }

  private open(): Throttle {
    const quota = (this.plan.quota as (ctx: Context) => unknown)(this.pipeline.context)
    const plan: Plan = { ...this.plan, quota }
    const inner =
      typeof quota === 'string' ? new ThrottleData(plan) : new ThrottleMessages(plan, Kind.messageEnd)
    inner.next = this.next
    inner.pipeline = this.pipeline
    return inner
  }

  override stop(): void {
    this.inner?.stop()
  }
}
