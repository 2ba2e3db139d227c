// Hot path: `note` is called once per logged exchange.

import type { DocumentForm } from '../../../actors/filters/traffic/document-renderer.ts'
import type { ExchangeRecord } from '../../../actors/filters/traffic/exchange-record.ts'
import type { Notebook, Sink, SinkEntry, SinkOutcome, SinkStatus } from '../../../actors/sink.ts'
import type { SinkSettings } from '../sink-options.ts'
import type { CompanionLink } from './companion-link.ts'
import { entryRoom, noteRoom, writeEntry, writeNote } from './entry-bytes.ts'
import type { MirroredEdge } from './mirrored-edge.ts'
import type { Run, SinkReport, ToCompanion } from './protocol.ts'

/** How long the companion has to tell what became of entries, beyond the time that it had to write them. */
const graceMs = 200

type Settled = (outcome: SinkOutcome) => void

export interface HostedSinkParts {
  readonly number: number
  readonly link: CompanionLink
  readonly mirrored: MirroredEdge
  readonly settings: SinkSettings
  readonly opening: ToCompanion & { readonly kind: 'open' }
  readonly onClosed: () => void
}

/**
 * The side of a sink that filters see, in the thread that carries the traffic: it bounds what is not settled, writes entries into
 * the memory that is handed over, and keeps the ledger.
 */
export class HostedSink implements Sink {
  readonly mirrored: MirroredEdge
  private readonly number: number
  private readonly link: CompanionLink
  private readonly settings: SinkSettings
  private readonly opening: ToCompanion & { readonly kind: 'open' }
  private readonly onClosed: () => void
  private readonly notebooks = new Map<number, HostedNotebook>()
  /** Those that someone wants to hear of, by number. */
  private readonly asked = new Map<number, Settled>()
  private lastNumber = 0
  /** Written, and not taken by the sink as far as is known. */
  private underWayEntries = 0
  private underWayBytes = 0
  private reported: SinkReport | null = null
  /** Sums of companions that have died. */
  private past = { requests: 0, failedRequests: 0, retriedEntries: 0, sentBytes: 0, recovered: 0 }
  private relief: (() => void)[] = []
  /** Why it takes nothing: a reason of dropping; '' while it does. */
  private refusal = ''
  private trouble: string | undefined

  constructor({ number, link, mirrored, settings, opening, onClosed }: HostedSinkParts) {
    this.number = number
    this.link = link
    this.mirrored = mirrored
    this.settings = settings
    this.opening = opening
    this.onClosed = onClosed
  }

  write(entry: SinkEntry, settled?: Settled): void {
    this.give(entry, undefined, settled)
  }

  refuse(entry: SinkEntry, reason: string, settled?: Settled): void {
    this.give(entry, reason, settled)
  }

  private give(entry: SinkEntry, reason: string | undefined, settled: Settled | undefined): void {
    const room = entryRoom(entry, reason ?? '')
    const refusal = this.admit(room)
    if (refusal !== '') {
      settled?.({ kind: 'dropped', reason: refusal })
      return
    }
    const out = this.link.handOver.reserve(room)
    const { at } = out
    const number = settled === undefined ? 0 : ++this.lastNumber
    if (settled !== undefined) this.asked.set(number, settled)
    writeEntry(this.number, number, entry, reason, out)
    this.underWayBytes += out.at - at
  }

  openNotebook(form: DocumentForm, settled: (outcome: SinkOutcome, entries: number) => void): Notebook {
    const notebook = new HostedNotebook(this.link.nextNumber(), form, this, settled)
    this.notebooks.set(notebook.number, notebook)
    if (this.link.isUp) this.link.post(this.layoutOf(notebook))
    return notebook
  }

  note(notebook: HostedNotebook, record: ExchangeRecord): void {
    const room = noteRoom(record)
    const refusal = this.admit(room)
    if (refusal !== '') {
      notebook.settled({ kind: 'dropped', reason: refusal }, 1)
      return
    }
    notebook.unsettled++
    const out = this.link.handOver.reserve(room)
    const { at } = out
    writeNote(notebook.number, record, out)
    this.underWayBytes += out.at - at
  }

  /** Counts an entry. Tells why there is no room for it, or ''. */
  private admit(bytes: number): string {
    const { edge } = this.mirrored
    edge.accepted++
    const refusal =
      this.refusal === '' && this.heldBytes + bytes > this.settings.bufferLimit ? 'overflow' : this.refusal
    if (refusal === '') {
      edge.inFlight++
      this.underWayEntries++
    } else edge.drop(refusal)
    return refusal
  }

  /** Memory of what is not settled; what waits on disk is bounded by the companion. */
  private get heldBytes(): number {
    const isOnDisk = this.settings.bufferPath !== undefined
    return this.underWayBytes + (isOnDisk ? 0 : (this.reported?.status.memoryBytes ?? 0))
  }

  get isCongested(): boolean {
    return this.heldBytes > this.settings.bufferLimit / 2 || this.reported?.isCongested === true
  }

  private get isRelieved(): boolean {
    return this.heldBytes <= this.settings.bufferLimit / 4 && this.reported?.isRelieved !== false
  }

  awaitRelief(relieved: () => void): void {
    if (this.isCongested && this.refusal === '') this.relief.push(relieved)
    else relieved()
  }

  /** Asked for although nothing may wait: what comes later is then written without delay. */
  async flush(limitMs: number): Promise<void> {
    if (this.link.isUp || this.unsettled > 0) await this.link.ask('flush', this.number, limitMs, 0)
  }

  async close(limitMs: number): Promise<void> {
    if (this.refusal === 'closed') return
    this.refusal = 'closed'
    await this.link.ask('close', this.number, limitMs, graceMs)
    // What the companion did not tell of in time.
    this.giveUp('closed')
    this.onClosed()
  }

  private get unsettled(): number {
    return this.underWayEntries + (this.reported?.status.waiting ?? 0)
  }

  private giveUp(reason: string): void {
    this.mirrored.writeOff(this.unsettled, reason)
    this.forget({ kind: 'dropped', reason })
  }

  /** Tells all that wait to hear of entries. */
  private forget(outcome: SinkOutcome): void {
    this.underWayEntries = 0
    this.underWayBytes = 0
    this.reported = null
    const asked = [...this.asked.values()]
    this.asked.clear()
    for (const settled of asked) settled(outcome)
    for (const notebook of this.notebooks.values()) notebook.settle(outcome, notebook.unsettled)
    this.relieve()
  }

  private relieve(): void {
    if (this.relief.length === 0 || (this.refusal === '' && !this.isRelieved)) return
    const { relief } = this
    this.relief = []
    for (const relieved of relief) relieved()
  }

  /** A companion has begun that knows nothing. */
  introduce(): void {
    if (this.refusal === 'closed') return
    this.refusal = ''
    this.trouble = undefined
    this.link.post(this.opening)
    for (const notebook of this.notebooks.values()) this.link.post(this.layoutOf(notebook))
  }

  private layoutOf({ number, form }: HostedNotebook): ToCompanion {
    return { kind: 'form', form: number, sink: this.number, layout: form }
  }

  unopened(reason: string): void {
    this.refusal = 'unopened'
    this.trouble = reason
    this.giveUp('unopened')
  }

  hear(report: SinkReport): void {
    const { edge } = this.mirrored
    const recovered = report.status.recovered - (this.reported?.status.recovered ?? 0)
    edge.accepted += recovered
    edge.inFlight += recovered
    this.mirrored.settle(report.row)
    this.underWayEntries -= report.takenEntries
    this.underWayBytes -= report.takenBytes
    this.reported = report
    for (const { form, outcome, entries } of report.tallies)
      this.notebooks.get(form)?.settle(outcome, entries)
    for (const run of report.runs) this.settleRun(run)
    this.relieve()
  }

  private settleRun({ first, entries, outcome }: Run): void {
    for (let number = first; number < first + entries; number++) {
      const settled = this.asked.get(number)
      if (settled === undefined) continue
      this.asked.delete(number)
      settled(outcome)
    }
  }

  /** The companion has died; its ledger has been told. */
  lost(reason: string): void {
    const { status } = this.reported ?? {}
    if (status !== undefined) {
      this.past.requests += status.requests
      this.past.failedRequests += status.failedRequests
      this.past.retriedEntries += status.retriedEntries
      this.past.sentBytes += status.sentBytes
      this.past.recovered += status.recovered
    }
    this.forget({ kind: 'dropped', reason })
  }

  status(): SinkStatus {
    const { past, mirrored } = this
    const status = this.reported?.status
    return {
      from: mirrored.edge.from,
      to: mirrored.edge.to,
      waiting: this.unsettled,
      memoryBytes: this.underWayBytes + (status?.memoryBytes ?? 0),
      diskBytes: status?.diskBytes ?? 0,
      requestsInFlight: status?.requestsInFlight ?? 0,
      window: status?.window ?? 0,
      requests: past.requests + (status?.requests ?? 0),
      failedRequests: past.failedRequests + (status?.failedRequests ?? 0),
      retriedEntries: past.retriedEntries + (status?.retriedEntries ?? 0),
      sentBytes: past.sentBytes + (status?.sentBytes ?? 0),
      recovered: past.recovered + (status?.recovered ?? 0),
      trouble: this.trouble ?? status?.trouble,
    }
  }
}

/** What one filter notes for a sink, all in one form. */
export class HostedNotebook implements Notebook {
  readonly number: number
  readonly form: DocumentForm
  readonly settled: (outcome: SinkOutcome, entries: number) => void
  unsettled = 0
  private readonly sink: HostedSink

  constructor(
    number: number,
    form: DocumentForm,
    sink: HostedSink,
    settled: (outcome: SinkOutcome, entries: number) => void,
  ) {
    this.number = number
    this.form = form
    this.sink = sink
    this.settled = settled
  }

  write(record: ExchangeRecord): void {
    this.sink.note(this, record)
  }

  settle(outcome: SinkOutcome, entries: number): void {
    if (entries === 0) return
    this.unsettled -= entries
    this.settled(outcome, entries)
  }
}
