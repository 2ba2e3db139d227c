import type { FarEnds, FarKernels } from '../../actors/shared/cluster-link.ts'
import { every } from '../../runtime/clock.ts'
import { TrafficError } from '../../runtime/errors.ts'
import type { Logger } from '../../runtime/log.ts'
import { type Flushable, turn } from '../../runtime/turn.ts'
import type { Bus, Subscription } from '../bus/bus.ts'
import { kernelSubject } from '../delivery/subjects.ts'
import { type Place, placeId, speaksWith } from '../membership/member.ts'
import type { Placement } from '../placement/placement.ts'
import { decodeLetter, encodeLetter, ReliableLink } from './reliable-link.ts'

export interface KernelPostsOptions {
  readonly bus: Bus
  readonly cluster: string
  readonly placement: Placement
  readonly log: Logger
}

/** What has not been taken for so long is sent again. */
const repeatMs = 500

/** The links of this thread's kernel to those of other nodes. */
export class KernelPosts implements FarKernels, Flushable {
  private readonly options: KernelPostsOptions
  private ends: FarEnds | undefined
  /** By the life of the thread at the other end. */
  private readonly links = new Map<string, { readonly place: Place; readonly link: ReliableLink }>()
  private lastLink = 0
  private own: string | undefined
  private listening: Subscription | undefined
  private isDirty = false
  private readonly cancelRepeat: () => void

  constructor(options: KernelPostsOptions) {
    this.options = options
    this.cancelRepeat = every(repeatMs, () => {
      for (const { link } of this.links.values()) link.repeat()
    })
  }

  attach(ends: FarEnds): void {
    this.ends = ends
  }

  /** Who we are to the others from now on; nobody: no member. Whoever knew us as another has lost us. */
  listenAs(place: Omit<Place, 'node'> | undefined): void {
    this.listening?.unsubscribe()
    this.listening = undefined
    this.own = place && placeId(place)
    for (const id of [...this.links.keys()]) this.lose(id)
    if (place === undefined) return
    const { bus, cluster } = this.options
    this.listening = bus.subscribe(kernelSubject(cluster, placeId(place)), ({ payload }) =>
      this.hear(payload),
    )
  }

  /** The nodes have changed. */
  placed(): void {
    for (const [id, { place }] of this.links) if (!this.options.placement.isThere(place)) this.lose(id)
  }

  incarnationOf(address: string): string | undefined {
    const place = this.find(address)
    return place && placeId(place)
  }

  private find(address: string): Place | undefined {
    const at = address.lastIndexOf('/')
    const member = this.options.placement.member(address.slice(0, at))
    const thread = Number(address.slice(at + 1))
    const life = member?.threads[thread] ?? 0
    if (member === undefined || life === 0 || !speaksWith(member)) return undefined
    return { node: member.name, incarnation: member.incarnation, thread, life }
  }

  send(address: string, item: unknown): boolean {
    const place = this.find(address)
    if (place === undefined || this.own === undefined || !this.linkTo(place).send(item)) return false
    this.flushSoon()
    return true
  }

  private linkTo(place: Place): ReliableLink {
    const id = placeId(place)
    let known = this.links.get(id)
    if (known === undefined) {
      const { bus, cluster } = this.options
      const address = `${place.node}/${place.thread}`
      const link = new ReliableLink(
        this.own ?? '',
        ++this.lastLink,
        letter => bus.publish(kernelSubject(cluster, id), encodeLetter(letter)),
        item => this.ends?.receive(address, item),
      )
      known = { place, link }
      this.links.set(id, known)
    }
    return known.link
  }

  private flushSoon(): void {
    if (this.isDirty) return
    this.isDirty = true
    turn.defer(this)
  }

  flush(): void {
    this.isDirty = false
    for (const { link } of this.links.values()) link.flush()
  }

  private hear(payload: Uint8Array): void {
    try {
      const letter = decodeLetter(payload)
      const place = this.options.placement.placeOf(letter[0])
      // Whoever is not there (any more, or not yet as we know) is not heard: he sends again what he wants heard.
      if (place === undefined || this.own === undefined) return
      turn.begin(null)
      try {
        if (!this.linkTo(place).receive(letter)) {
          // He had lost sight of us, and has begun anew: so do we.
          this.lose(placeId(place))
          this.linkTo(place).receive(letter)
        }
        this.flushSoon()
      } finally {
        turn.end()
      }
    } catch (thrown) {
      const { code, message, source } = TrafficError.from(thrown, 'ClusterError')
      this.options.log.error(message, { code, source })
    }
  }

  private lose(id: string): void {
    const known = this.links.get(id)
    if (known === undefined) return
    this.links.delete(id)
    this.ends?.lost(`${known.place.node}/${known.place.thread}`)
  }

  stop(): void {
    this.flush()
    this.cancelRepeat()
    this.listening?.unsubscribe()
    this.links.clear()
  }
}
