import type { LedgerRow } from '../../../actors/host.ts'
import type { Sink, SinkStatus, Sinks } from '../../../actors/sink.ts'
import type { FaultRecord } from '../../../runtime/errors.ts'
import type { Logger } from '../../../runtime/log.ts'
import type { LogRecord } from '../../log.ts'
import type { SpanBatch } from '../../tracing/span-recorder.ts'
import { BufferFolder } from '../disk/buffer-folder.ts'
import { ThreadSinks } from '../thread-sinks.ts'
import { CompanionLink } from './companion-link.ts'
import { HostedSink } from './hosted-sink.ts'
import { MirroredEdge } from './mirrored-edge.ts'
import { isPlain } from './plain.ts'
import type { CompanionSetup, FromCompanion } from './protocol.ts'

export interface CompanionSinksOptions extends CompanionSetup {
  readonly log: Logger
  /** Take what the companion says and traces. */
  readonly relayLog: (records: readonly LogRecord[]) => void
  readonly relaySpans: (batch: SpanBatch) => void
}

/** Why entries are dropped that a companion had. */
const deathReason = 'companion-died'

/**
 * The sinks of a thread that carries traffic, hosted by its companion: that one makes the documents, and measures, encodes and sends them. It is
 * started with the first sink. A sink with options that cannot be sent there (functions, objects of classes) is hosted here.
 */
export class CompanionSinks implements Sinks {
  readonly kinds: readonly string[]
  private readonly options: CompanionSinksOptions
  /** Checks options, and hosts what cannot be hosted elsewhere. */
  private readonly local: ThreadSinks
  private readonly opened = new Map<number, HostedSink>()
  /** By place and destination. */
  private readonly edges = new Map<string, MirroredEdge>()
  private madeLink: CompanionLink | undefined

  constructor(options: CompanionSinksOptions) {
    this.options = options
    this.local = new ThreadSinks(options)
    this.kinds = this.local.kinds
  }

  check(type: string, options: unknown): void {
    this.local.check(type, options)
  }

  open(type: string, options: unknown, place: string): Sink {
    if (!isPlain(options)) return this.local.open(type, options, place)
    const { name, settings } = this.local.plan(type, options)
    const { thread, threads } = this.options
    // The companion opens it later: what cannot be is to be told now.
    if (settings.bufferPath !== undefined)
      BufferFolder.check({ path: settings.bufferPath, place, thread, threads })
    const link = this.link()
    const number = link.nextNumber()
    const sink = new HostedSink({
      number,
      link,
      mirrored: this.edge(place, name),
      settings,
      opening: { kind: 'open', sink: number, type, options, place },
      onClosed: () => this.opened.delete(number),
    })
    this.opened.set(number, sink)
    if (link.isUp) sink.introduce()
    return sink
  }

  rows(): readonly LedgerRow[] {
    return [...[...this.edges.values()].map(({ edge }) => edge.row()), ...this.local.rows()]
  }

  status(): readonly SinkStatus[] {
    return [...[...this.opened.values()].map(sink => sink.status()), ...this.local.status()]
  }

  /** Ends the companion. Sinks are closed before, or what they have is lost. */
  async stop(): Promise<void> {
    await this.madeLink?.stop()
  }

  private link(): CompanionLink {
    if (this.madeLink !== undefined) return this.madeLink
    const { thread, threads, logLevel, tracing } = this.options
    const setup: CompanionSetup = { thread, threads, logLevel, tracing }
    const link = new CompanionLink(setup, {
      started: () => {
        for (const sink of this.opened.values()) sink.introduce()
      },
      heard: message => this.hear(message),
      died: (reason, restartMs) => this.died(reason, restartMs),
    })
    this.madeLink = link
    link.start()
    return link
  }

  private hear(message: FromCompanion): void {
    switch (message.kind) {
      case 'report':
        for (const report of message.sinks) this.opened.get(report.sink)?.hear(report)
        return
      case 'unopened':
        this.opened.get(message.sink)?.unopened(message.reason)
        return
      case 'log':
        this.options.relayLog(message.records)
        return
      case 'spans':
        this.options.relaySpans(message.batch)
        return
      case 'done':
        return
    }
  }

  private died({ message, stack }: FaultRecord, restartMs: number): void {
    const lost = [...this.edges.values()].reduce((sum, { edge }) => sum + edge.inFlight, 0)
    for (const mirrored of this.edges.values()) mirrored.lose(deathReason)
    for (const sink of [...this.opened.values()]) sink.lost(deathReason)
    this.options.log.error(
      `The companion that hosts the sinks died, and ${lost} documents with it; another starts in ${restartMs} ms: ${message}`,
      { code: 'CompanionDied', source: 'internal', lost, stack },
    )
  }

  private edge(place: string, to: string): MirroredEdge {
    const key = `${place}\0${to}`
    let mirrored = this.edges.get(key)
    if (mirrored === undefined) {
      mirrored = new MirroredEdge(place, to)
      this.edges.set(key, mirrored)
    }
    return mirrored
  }
}
