import type { LedgerRow } from '../../actors/host.ts'
import { Edge } from '../../actors/kernel/ledger.ts'
import type { SinkStatus, Sinks } from '../../actors/sink.ts'
import { TrafficError } from '../../runtime/errors.ts'
import type { Logger } from '../../runtime/log.ts'
import { nearest } from '../../runtime/nearest.ts'
import { type Backlog, MemoryBacklog } from './backlog.ts'
import { BatchingSink } from './batching-sink.ts'
import { DeadLetters } from './dead-letters.ts'
import { BufferFolder } from './disk/buffer-folder.ts'
import { DiskBacklog } from './disk/disk-backlog.ts'
import { sinkKinds } from './kinds.ts'
import type { SinkKind, SinkPlan } from './sink-kind.ts'
import type { SinkSettings } from './sink-options.ts'

export interface ThreadSinksOptions {
  readonly log: Logger
  /** Which thread this is, of how many: each has its own part of a folder. */
  readonly thread: number
  readonly threads: number
}

/** The sinks of one thread: opened by the places in scripts that write to them. */
export class ThreadSinks implements Sinks {
  readonly kinds: readonly string[] = sinkKinds.map(({ name }) => name)
  private readonly options: ThreadSinksOptions
  private readonly opened = new Set<BatchingSink>()
  /** By place and destination. */
  private readonly edges = new Map<string, Edge>()

  constructor(options: ThreadSinksOptions) {
    this.options = options
  }

  check(kind: string, options: unknown): void {
    this.plan(kind, options)
  }

  /** Opens nothing. @throws TrafficError `BadOption` */
  plan(kind: string, options: unknown): SinkPlan {
    return this.kindOf(kind).plan(options, `sink '${kind}'`)
  }

  open(kind: string, options: unknown, place: string): BatchingSink {
    const { log } = this.options
    const { settings, open } = this.plan(kind, options)
    const destination = open({ place, log })
    const deadLetters = new DeadLetters(place, settings, log)
    const backlog = this.backlog(settings, place)
    const edge = this.edge(place, destination.name)
    const sink = new BatchingSink({
      destination,
      backlog,
      settings,
      edge,
      deadLetters,
      log,
      onClosed: () => this.opened.delete(sink),
    })
    this.opened.add(sink)
    if (backlog instanceof DiskBacklog) backlog.start(sink)
    return sink
  }

  rows(): readonly LedgerRow[] {
    return [...this.edges.values()].map(edge => edge.row())
  }

  status(): readonly SinkStatus[] {
    return [...this.opened].map(sink => sink.status())
  }

  private backlog(settings: SinkSettings, place: string): Backlog | DiskBacklog {
    const { bufferLimit, bufferPath, bufferDiskLimit, bufferSync } = settings
    if (bufferPath === undefined) return new MemoryBacklog(bufferLimit)
    const { log, thread, threads } = this.options
    return new DiskBacklog({
      folder: BufferFolder.open({ path: bufferPath, place, thread, threads }),
      memoryBytes: bufferLimit,
      diskBytes: bufferDiskLimit,
      isSynced: bufferSync,
      log,
    })
  }

  private edge(place: string, to: string): Edge {
    const key = `${place}\0${to}`
    let edge = this.edges.get(key)
    if (edge === undefined) {
      edge = new Edge('sink', place, to, 'drop')
      this.edges.set(key, edge)
    }
    return edge
  }

  private kindOf(name: string): SinkKind {
    const kind = sinkKinds.find(each => each.name === name)
    if (kind !== undefined) return kind
    const near = nearest(String(name), this.kinds)
    throw new TrafficError(
      'BadOption',
      `there is no sink '${name}'; ${near === undefined ? `there are ${this.kinds.join(', ')}` : `did you mean '${near}'?`}`,
    )
  }
}
