import { Buffer } from 'node:buffer'
import type { Contents } from '../../../actors/filters/traffic/document.ts'
import { type DocumentForm, DocumentRenderer } from '../../../actors/filters/traffic/document-renderer.ts'
import { nextEventId } from '../../../actors/filters/traffic/event-id.ts'
import type { ExchangeRecord } from '../../../actors/filters/traffic/exchange-record.ts'
import type { SinkEntry, SinkOutcome } from '../../../actors/sink.ts'
import { after, every } from '../../../runtime/clock.ts'
import { TrafficError } from '../../../runtime/errors.ts'
import { letGo } from '../../../runtime/kept-bytes.ts'
import type { Logger } from '../../../runtime/log.ts'
import { turn } from '../../../runtime/turn.ts'
import type { BatchingSink } from '../batching-sink.ts'
import type { ThreadSinks } from '../thread-sinks.ts'
import { type EntryTaker, readEntries } from './entry-bytes.ts'
import type { FromCompanion, Run, SinkReport, Tally, ToCompanion } from './protocol.ts'

/** So long at most outcomes are gathered that nobody waits for: each report costs the traffic some microseconds. */
const reportMs = 50
/** How often the state of sinks is looked at that settle nothing. */
const lookMs = 250
const nothing = Buffer.alloc(0)

/** Outcomes of which there is one object each are told apart by it. */
const isSame = (a: SinkOutcome, b: SinkOutcome): boolean =>
  a === b || (a.kind === b.kind && ('reason' in a ? a.reason : '') === ('reason' in b ? b.reason : ''))

interface Form {
  readonly hosted: ReportedSink
  readonly renderer: DocumentRenderer
  readonly settled: (outcome: SinkOutcome, entry?: SinkEntry) => void
}

/** The companion's part: it hosts sinks, makes documents of what was noted, and tells what became of them. */
export class SinkHost implements EntryTaker {
  private readonly sinks: ThreadSinks
  private readonly log: Logger
  private readonly post: (message: FromCompanion, transfer?: ArrayBuffer[]) => void
  private readonly hosted = new Map<number, ReportedSink>()
  private readonly forms = new Map<number, Form>()
  private cancelReport: (() => void) | null = null
  private isDeferred = false
  /** Memory that has been read. */
  private spent: ArrayBuffer[] = []
  /** What is read just now is still to be looked at later. */
  private isKept = false

  constructor(
    sinks: ThreadSinks,
    log: Logger,
    post: (message: FromCompanion, transfer?: ArrayBuffer[]) => void,
  ) {
    this.sinks = sinks
    this.log = log
    this.post = post
    every(lookMs, () => this.report())
  }

  hear(message: ToCompanion): void {
    switch (message.kind) {
      case 'open':
        this.open(message)
        return
      case 'form':
        this.addForm(message.form, message.sink, message.layout)
        return
      case 'entries':
        this.read(message)
        this.reportSoon()
        return
      case 'flush':
      case 'close':
        void this.settle(message)
        return
    }
  }

  private read({ memory, bytes }: ToCompanion & { kind: 'entries' }): void {
    this.isKept = false
    turn.begin(null)
    try {
      readEntries(memory, bytes, this)
    } finally {
      turn.end()
    }
    if (!this.isKept) this.spent.push(memory)
  }

  private open({ sink, type, options, place }: ToCompanion & { kind: 'open' }): void {
    try {
      this.hosted.set(sink, new ReportedSink(sink, this.sinks.open(type, options, place), this))
    } catch (thrown) {
      // It was checked before: something has changed since.
      const { code, source, message } = TrafficError.from(thrown)
      this.log.error(`The sink of ${place} cannot be opened, and writes nothing: ${message}`, {
        code,
        source,
      })
      this.post({ kind: 'unopened', sink, reason: message })
    }
  }

  private addForm(form: number, sink: number, layout: DocumentForm): void {
    const hosted = this.hosted.get(sink)
    if (hosted === undefined) return
    const settled = (outcome: SinkOutcome, entry?: SinkEntry): void => {
      hosted.tally(form, outcome)
      // One that was given up may be in a request still, and one that was put aside in a file.
      if (entry !== undefined && (outcome.kind === 'stored' || outcome.kind === 'duplicate'))
        letGo(entry.json)
    }
    this.forms.set(form, { hosted, renderer: new DocumentRenderer(layout), settled })
  }

  note(form: number, bytes: number, record: ExchangeRecord | undefined, fault: unknown): void {
    const found = this.forms.get(form)
    if (found === undefined) return
    const { hosted, renderer } = found
    if (record === undefined) this.refuse(found, bytes, fault)
    else if (renderer.mustUnpack(record)) hosted.waitFor(this.renderLater(found, record, bytes))
    else this.render(found, record, bytes)
  }

  private async renderLater(form: Form, record: ExchangeRecord, bytes: number): Promise<void> {
    this.isKept = true
    const contents = await form.renderer.unpack(record)
    turn.run(() => this.render(form, record, bytes, contents))
    this.reportSoon()
  }

  private render(form: Form, record: ExchangeRecord, bytes: number, contents?: Contents): void {
    const { hosted, renderer, settled } = form
    let entry: SinkEntry
    try {
      entry = renderer.render(record, nextEventId(), contents)
    } catch (error) {
      this.refuse(form, bytes, error)
      return
    }
    hosted.took(bytes)
    hosted.sink.add(entry, settled)
  }

  /** One that cannot be written is put aside, and those behind it are written. */
  private refuse({ hosted, settled }: Form, bytes: number, fault: unknown): void {
    hosted.took(bytes)
    const reason = `no document can be made of it: ${(fault as Error).message}`
    hosted.sink.refuse({ id: nextEventId(), timeMs: 0, json: nothing }, reason, settled)
  }

  entry(sink: number, bytes: number, number: number, entry: SinkEntry, reason: string | undefined): void {
    const hosted = this.hosted.get(sink)
    if (hosted === undefined) return
    hosted.took(bytes)
    const settled = number === 0 ? undefined : (outcome: SinkOutcome) => hosted.ran(number, outcome)
    if (reason === undefined) hosted.sink.write(entry, settled)
    else hosted.sink.refuse(entry, reason, settled)
  }

  private async settle({
    kind,
    sink,
    limitMs,
    call,
  }: ToCompanion & { kind: 'flush' | 'close' }): Promise<void> {
    const hosted = this.hosted.get(sink)
    await (kind === 'flush' ? hosted?.flush(limitMs) : hosted?.close(limitMs))
    this.report()
    if (kind === 'close') {
      this.hosted.delete(sink)
      for (const [number, form] of this.forms) if (form.hosted === hosted) this.forms.delete(number)
    }
    this.post({ kind: 'done', call })
  }

  /** Someone waits for what was settled: it is told with all that is settled in this turn. */
  reportNow(): void {
    if (this.isDeferred) return
    this.isDeferred = true
    turn.defer(this)
  }

  flush(): void {
    this.isDeferred = false
    this.report()
  }

  reportSoon(): void {
    this.cancelReport ??= after(reportMs, () => this.report())
  }

  private report(): void {
    this.cancelReport?.()
    this.cancelReport = null
    const sinks: SinkReport[] = []
    for (const hosted of this.hosted.values()) {
      const report = hosted.report()
      if (report !== undefined) sinks.push(report)
    }
    const { spent } = this
    if (sinks.length === 0 && spent.length === 0) return
    this.spent = []
    this.post({ kind: 'report', sinks, memory: spent }, spent)
  }
}

/** One sink, with what is to be told of it. */
class ReportedSink {
  readonly sink: BatchingSink
  private readonly number: number
  private readonly host: SinkHost
  private takenEntries = 0
  private takenBytes = 0
  private tallies: { form: number; outcome: SinkOutcome; entries: number }[] = []
  private runs: { first: number; entries: number; outcome: SinkOutcome }[] = []
  /** Entries whose bodies are being decompressed. */
  private readonly underWay = new Set<Promise<void>>()
  /** What was told last of its state. */
  private told = ''

  constructor(number: number, sink: BatchingSink, host: SinkHost) {
    this.number = number
    this.sink = sink
    this.host = host
  }

  took(bytes: number): void {
    this.takenEntries++
    this.takenBytes += bytes
  }

  waitFor(work: Promise<void>): void {
    this.underWay.add(work)
    void work.then(() => this.underWay.delete(work))
  }

  tally(form: number, outcome: SinkOutcome): void {
    const last = this.tallies.find(each => each.form === form && isSame(each.outcome, outcome))
    if (last === undefined) this.tallies.push({ form, outcome, entries: 1 })
    else last.entries++
    this.host.reportSoon()
  }

  ran(number: number, outcome: SinkOutcome): void {
    const last = this.runs.at(-1)
    if (last !== undefined && last.first + last.entries === number && isSame(last.outcome, outcome))
      last.entries++
    else this.runs.push({ first: number, entries: 1, outcome })
    this.host.reportNow()
  }

  async flush(limitMs: number): Promise<void> {
    await this.unpacked()
    await this.sink.flush(limitMs)
  }

  async close(limitMs: number): Promise<void> {
    await this.unpacked()
    await this.sink.close(limitMs)
  }

  private async unpacked(): Promise<void> {
    await Promise.all(this.underWay)
  }

  /** Undefined when there is no news. */
  report(): SinkReport | undefined {
    const { takenEntries, takenBytes, sink } = this
    const tallies: readonly Tally[] = this.tallies
    const runs: readonly Run[] = this.runs
    const status = sink.status()
    const { isCongested, isRelieved } = sink
    const state = JSON.stringify([status, sink.edge.row(), isCongested, isRelieved])
    if (takenEntries + tallies.length + runs.length === 0 && state === this.told) return undefined
    this.told = state
    this.takenEntries = 0
    this.takenBytes = 0
    this.tallies = []
    this.runs = []
    const row = sink.edge.row()
    return {
      sink: this.number,
      takenEntries,
      takenBytes,
      row,
      status,
      isCongested,
      isRelieved,
      tallies,
      runs,
    }
  }
}
