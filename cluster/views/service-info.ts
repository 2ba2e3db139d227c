import { Buffer } from 'node:buffer'
import { monotonicMs, wallMs } from '../../runtime/clock.ts'
import type { Bus, Subscription } from '../bus/bus.ts'
import type { Viewed } from './node-views.ts'
import { viewSubject } from './view-messages.ts'

/** What NATS's tools may ask a service (ADR-32). */
const verbs = ['PING', 'INFO', 'STATS'] as const

export const serviceName = (cluster: string): string => `sluice-${cluster}`

/** Where a service is asked: all services, those of one name, one of them. */
const subjectsOf = (verb: string, name: string, id: string): readonly string[] => [
  `$SRV.${verb}`,
  `$SRV.${verb}.${name}`,
  `$SRV.${verb}.${name}.${id}`,
]

export const serviceSubjects = (name: string, id: string): readonly string[] =>
  verbs.flatMap(verb => subjectsOf(verb, name, id))

/**
 * Makes each node a service that NATS's own tools find: `nats micro ls`, `nats micro info`, `nats micro stats`. The name is
 * the cluster's, the id the node's.
 */
export class ServiceInfo {
  private readonly bus: Bus
  private readonly viewed: Viewed
  private readonly startedMs = wallMs()
  private subscriptions: Subscription[] = []
  private requests = 0
  private errors = 0
  private lastError = ''
  private processingMs = 0

  constructor(bus: Bus, viewed: Viewed) {
    this.bus = bus
    this.viewed = viewed
  }

  private get name(): string {
    return serviceName(this.viewed.cluster)
  }

  start(): void {
    const { name } = this
    for (const verb of verbs)
      for (const subject of subjectsOf(verb, name, this.viewed.node))
        this.subscriptions.push(
          this.bus.subscribe(subject, ({ reply }) => {
            if (reply !== undefined) this.bus.publish(reply, Buffer.from(JSON.stringify(this.answer(verb))))
          }),
        )
  }

  /** A question of the view has come; to be called with what went wrong, or undefined, when it is answered. */
  began(): (error: string | undefined) => void {
    const startedMs = monotonicMs()
    this.requests++
    return error => {
      this.processingMs += monotonicMs() - startedMs
      if (error === undefined) return
      this.errors++
      this.lastError = error
    }
  }

  private answer(verb: (typeof verbs)[number]): object {
    const { node, version, cluster } = this.viewed
    const endpoint = { name: 'view', subject: viewSubject(cluster), queue_group: '' }
    const base = {
      type: `io.nats.micro.v1.${verb.toLowerCase()}_response`,
      name: this.name,
      id: node,
      version,
      metadata: { cluster, node },
    }
    if (verb === 'PING') return base
    if (verb === 'INFO')
      return {
        ...base,
        description: `Node ${node} of the Sluice cluster ${cluster}`,
        endpoints: [{ ...endpoint, metadata: {} }],
      }
    const nanoseconds = Math.round(this.processingMs * 1e6)
    return {
      ...base,
      started: new Date(this.startedMs).toISOString(),
      endpoints: [
        {
          ...endpoint,
          num_requests: this.requests,
          num_errors: this.errors,
          last_error: this.lastError,
          processing_time: nanoseconds,
          average_processing_time: this.requests === 0 ? 0 : Math.round(nanoseconds / this.requests),
        },
      ],
    }
  }

  stop(): void {
    for (const subscription of this.subscriptions) subscription.unsubscribe()
    this.subscriptions = []
  }
}
