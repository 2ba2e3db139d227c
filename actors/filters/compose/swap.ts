import { TrafficError } from '../../../runtime/errors.ts'
import { cloneEvent, type Event, Kind } from '../../../runtime/event.ts'
import { show } from '../../../runtime/options.ts'
import type { Context } from '../../context.ts'
import { Filter } from '../../filter.ts'
import type { FilterDefinition } from '../definition.ts'
import { isThenable } from '../promise.ts'

/** A place where streams of one thread meet: what one gives, all others get. `swap` joins it. */
export class Hub {
  private readonly members = new Set<Swap>()

  /** Streams that have joined. */
  get size(): number {
    return this.members.size
  }

  /** @internal */
  join(member: Swap): void {
    this.members.add(member)
  }

  /** @internal */
  leave(member: Swap): void {
    this.members.delete(member)
  }

  /** @internal */
  tell(event: Event, from: Swap): void {
    for (const member of this.members) if (member !== from) member.hear(cloneEvent(event))
  }
}

class Swap extends Filter {
  private readonly given: unknown
  private hub: Hub | null = null

  constructor(given: unknown) {
    super()
    this.given = given
  }

  process(event: Event): void {
    this.hub ??= this.join()
    if (event.kind === Kind.streamEnd) {
      this.hub.leave(this)
      this.next.process(event)
    } else this.hub.tell(event, this)
  }

  private join(): Hub {
    const { given } = this
    const hub =
      typeof given === 'function' ? (given as (ctx: Context) => unknown)(this.pipeline.context) : given
    if (!(hub instanceof Hub))
      throw new TrafficError(
        'RuntimeError',
        isThenable(hub)
          ? 'swap wants its Hub at once, and its callback gave a promise'
          : `swap wants a Hub from its callback, and got ${show(hub)}`,
      )
    hub.join(this)
    return hub
  }

  hear(event: Event): void {
    if (!this.pipeline.isStopped) this.pipeline.deliver(this.next, event, null)
  }

  override stop(): void {
    this.hub?.leave(this)
  }
}

export const swap: FilterDefinition = {
  name: 'swap',
  aliases: [],
  signature: '(hub)',
  summary: 'Exchanges events with the other streams of a hub',
  doc: 'Joins a Hub with the first event of the stream: what comes in is copied to all other streams of the hub, and what these give comes out. StreamEnd leaves the hub and passes on; the others do not hear of it. The hub is a Hub, or a callback (ctx) that gives one. A stream that cannot take what it gets slows those that give it. A hub is of one thread.',
  accepts: 'any',
  emits: 'same',
  options: {},
  example: '$.swap(ctx => ctx.room)',
  build: call => {
    const given = call.take()
    call.end()
    if (typeof given !== 'function' && !(given instanceof Hub))
      throw new TrafficError(
        'BadOption',
        `swap wants a Hub, or a callback that gives one, and got ${show(given)}`,
      )
    return { name: 'swap', create: () => new Swap(given) }
  },
}
