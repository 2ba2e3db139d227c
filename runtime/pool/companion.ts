import { resourceLimits, type Transferable, Worker } from 'node:worker_threads'
import { after, monotonicMs } from '../clock.ts'
import type { FaultRecord } from '../errors.ts'
import { doubled } from '../retry-delay.ts'
import { describeDeath } from './transfer.ts'

export interface CompanionListener<Heard> {
  /** A thread has been started, that knows nothing yet. What is posted waits until it listens. */
  started(): void
  heard(message: Heard): void
  /** It is gone. Another starts in `restartMs`. */
  died(reason: FaultRecord, restartMs: number): void
}

export interface CompanionOptions<Heard> {
  /** The module that the thread runs: it listens at its `parentPort`. */
  readonly module: URL
  /** What the system shows as the name of the thread, at most 15 characters. */
  readonly name: string
  /** `workerData`. */
  readonly data: unknown
  readonly listener: CompanionListener<Heard>
}

/** A thread that served this long had no trouble starting: its next death is a first one. */
const quietMs = 10_000
const firstBackOffMs = 100
const longestBackOffMs = 10_000

/**
 * A thread that does work for the one that made it, and lives and ends with it. One that dies is replaced: the first time at once,
 * then after 100 ms, 200 ms, … up to 10 s. It has as much heap as its maker.
 */
export class Companion<Told, Heard> {
  private readonly options: CompanionOptions<Heard>
  private worker: Worker | null = null
  private startedAtMs = 0
  private hasSpoken = false
  /** Deaths since the last quiet time. */
  private deaths = 0
  private cancelRestart: (() => void) | null = null
  private isStopped = false

  constructor(options: CompanionOptions<Heard>) {
    this.options = options
  }

  /** Whether there is a thread to post to. */
  get isUp(): boolean {
    return this.worker !== null
  }

  start(): void {
    const { module, name, data, listener } = this.options
    const { maxOldGenerationSizeMb } = resourceLimits
    const worker = new Worker(module, {
      name,
      workerData: data,
      ...(maxOldGenerationSizeMb !== undefined && { resourceLimits: { maxOldGenerationSizeMb } }),
    })
    let error: unknown
    worker.on('message', (message: Heard) => {
      this.hasSpoken = true
      if (worker === this.worker) listener.heard(message)
    })
    worker.on('error', thrown => {
      error = thrown
    })
    worker.on('exit', code => this.ended(worker, error ?? `it exited with code ${code}`))
    this.worker = worker
    this.startedAtMs = monotonicMs()
    this.hasSpoken = false
    listener.started()
  }

  post(message: Told, transfer: readonly Transferable[] = []): void {
    this.worker?.postMessage(message, transfer)
  }

  /** Ends it: what it has not done stays undone. */
  async stop(): Promise<void> {
    this.isStopped = true
    this.cancelRestart?.()
    const { worker } = this
    this.worker = null
    await worker?.terminate()
  }

  private ended(worker: Worker, error: unknown): void {
    if (worker !== this.worker) return
    this.worker = null
    if (this.isStopped) return
    const wasQuiet = this.hasSpoken && monotonicMs() - this.startedAtMs >= quietMs
    if (wasQuiet) this.deaths = 0
    const isFirst = this.hasSpoken && this.deaths === 0
    this.deaths++
    const restartMs = isFirst ? 0 : doubled(firstBackOffMs, longestBackOffMs, this.deaths - 1)
    this.cancelRestart = after(restartMs, () => this.start())
    this.options.listener.died(describeDeath(error, resourceLimits.maxOldGenerationSizeMb), restartMs)
  }
}
