import { after } from '../../../runtime/clock.ts'
import type { FaultRecord } from '../../../runtime/errors.ts'
import { Companion, type CompanionListener } from '../../../runtime/pool/companion.ts'
import { HandOver } from './hand-over.ts'
import type { CompanionSetup, FromCompanion, ToCompanion } from './protocol.ts'

interface Call {
  readonly sink: number
  readonly done: () => void
}

/** The way from a thread that carries traffic to its companion, whichever of them is there just now. */
export class CompanionLink {
  readonly handOver: HandOver
  private readonly companion: Companion<ToCompanion, FromCompanion>
  private readonly calls = new Map<number, Call>()
  /** Gathered while there is no companion. */
  private kept: { readonly memory: ArrayBuffer; readonly bytes: number }[] = []
  private lastNumber = 0

  constructor(setup: CompanionSetup, listener: CompanionListener<FromCompanion>) {
    this.handOver = new HandOver((memory, bytes) => {
      if (this.companion.isUp) this.postEntries(memory, bytes)
      else this.kept.push({ memory, bytes })
    })
    this.companion = new Companion<ToCompanion, FromCompanion>({
      module: new URL('companion-thread.ts', import.meta.url),
      name: `sinks-${setup.thread}`,
      data: setup,
      listener: {
        started: () => {
          listener.started()
          for (const { memory, bytes } of this.kept.splice(0)) this.postEntries(memory, bytes)
        },
        heard: message => {
          if (message.kind === 'report') this.handOver.takeBack(message.memory)
          if (message.kind === 'done') this.calls.get(message.call)?.done()
          else listener.heard(message)
        },
        died: (reason, restartMs) => this.died(reason, restartMs, listener),
      },
    })
  }

  /** Whether what is posted now is heard. */
  get isUp(): boolean {
    return this.companion.isUp
  }

  start(): void {
    this.companion.start()
  }

  /** Of sinks, forms and calls. */
  nextNumber(): number {
    return ++this.lastNumber
  }

  post(message: ToCompanion): void {
    this.companion.post(message)
  }

  private postEntries(memory: ArrayBuffer, bytes: number): void {
    this.companion.post({ kind: 'entries', memory, bytes }, [memory])
  }

  /** Resolves when the companion has done it, or `graceMs` after the time that it has for it. */
  async ask(kind: 'flush' | 'close', sink: number, limitMs: number, graceMs: number): Promise<void> {
    this.handOver.flush()
    const { promise, resolve } = Promise.withResolvers<void>()
    const call = this.nextNumber()
    this.calls.set(call, { sink, done: resolve })
    const cancel = after(limitMs + graceMs, resolve)
    this.post({ kind, sink, limitMs, call })
    await promise
    this.calls.delete(call)
    cancel()
  }

  private died(reason: FaultRecord, restartMs: number, listener: CompanionListener<FromCompanion>): void {
    this.handOver.clear()
    listener.died(reason, restartMs)
    // All that was asked for has been settled with its death.
    for (const { done } of [...this.calls.values()]) done()
  }

  async stop(): Promise<void> {
    await this.companion.stop()
    for (const { done } of [...this.calls.values()]) done()
  }
}
