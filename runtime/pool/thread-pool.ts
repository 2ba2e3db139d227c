import {
  MessageChannel,
  type MessagePort,
  receiveMessageOnPort,
  type Transferable,
} from 'node:worker_threads'
import { Piscina } from 'piscina'
import { after, monotonicMs } from '../clock.ts'
import type { FaultRecord } from '../errors.ts'
import { doubled } from '../retry-delay.ts'
import { describeDeath } from './transfer.ts'

/**
 * N worker threads that are always there. Each slot runs one endless host task; a thread that crashes, exits or runs
 * out of heap is replaced in its slot, under the next incarnation number, while the others run on.
 *
 *     starting ──confirmReady()──► ready ──┐
 *        └──────────── died{reason} ◄──────┘
 *                          └── back-off ──► starting (incarnation + 1)
 *
 * A first crash after a quiet time is replaced at once; a thread that keeps dying, or dies before it was ready, waits
 * 100 ms, 200 ms, … up to 10 s, so that a broken script does not burn the machine.
 *
 * This is the only file that knows Piscina. Each slot has a Piscina of one thread: that pins the task to the thread,
 * and lets a slot whose thread died before it could take its task (which Piscina never replaces) start afresh
 * without touching the others.
 */
export interface PoolThread {
  readonly slot: number
  /** Counts the threads that have served this slot, from 1. */
  readonly incarnation: number
  /** Our end of the channel to the thread. Closed when it dies. */
  readonly port: MessagePort
}

/** What a host task is given: `port` is its end of the channel. */
export interface HostTask<Data> {
  readonly slot: number
  readonly incarnation: number
  readonly port: MessagePort
  readonly data: Data
}

export interface PoolListener {
  /** A thread is being started; messages posted to its port wait for it. */
  starting(thread: PoolThread): void
  /** It is gone. Its replacement starts in `restartMs`; undefined: none will, because the pool is stopping. */
  died(thread: PoolThread, reason: FaultRecord, restartMs: number | undefined): void
}

export interface ThreadPoolOptions<Data> {
  readonly slots: number
  /** The module that exports the host task as a function named `host`. */
  readonly module: URL
  /** Asked for whenever a thread starts; must be cloneable. */
  readonly data: () => Data
  /** Limit of each thread's old generation. Default: V8's own, which grows with the machine's memory. */
  readonly maxHeapMb?: number | undefined
  /** `process.argv` from its third element on, in each thread. */
  readonly argv?: readonly string[] | undefined
  readonly listener: PoolListener
}

/** Takes what a thread had posted before it was gone: closing the port would throw it away. */
function hearOut(port: MessagePort): void {
  for (let last = receiveMessageOnPort(port); last !== undefined; last = receiveMessageOnPort(port))
    port.emit('message', last.message)
}

/** A thread that served this long had no trouble starting: its next death is a first one. */
const quietMs = 10_000
const firstBackOffMs = 100
const longestBackOffMs = 10_000

export class ThreadPool<Data> {
  private readonly slots: Slot<Data>[] = []

  constructor(options: ThreadPoolOptions<Data>) {
    for (let slot = 0; slot < options.slots; slot++) this.slots.push(new Slot(slot, options))
  }

  start(): void {
    for (const slot of this.slots) slot.start()
  }

  /** The thread's owner has heard from it that it serves. */
  confirmReady(thread: PoolThread): void {
    this.slots[thread.slot]?.confirmReady(thread)
  }

  /** Ends the thread as if it had crashed: for one that does not answer. */
  replace(thread: PoolThread, reason: string): void {
    this.slots[thread.slot]?.replace(thread, reason)
  }

  /** The threads that are starting or ready now. */
  get threads(): readonly PoolThread[] {
    return this.slots.flatMap(slot => slot.thread ?? [])
  }

  /** How often threads have been replaced since the pool was made. */
  get restarts(): number {
    return this.slots.reduce((sum, slot) => sum + slot.restarts, 0)
  }

  /** No thread is replaced any more: say this before telling the hosts to stop. */
  expectEnd(): void {
    for (const slot of this.slots) slot.isEnding = true
  }

  /** Waits until the host tasks have returned, at most `graceMs`, then ends all threads. */
  async close(graceMs: number): Promise<void> {
    this.expectEnd()
    await Promise.all(this.slots.map(slot => slot.close(graceMs)))
  }
}

class Slot<Data> {
  thread: PoolThread | undefined
  restarts = 0
  isEnding = false
  private readonly index: number
  private readonly options: ThreadPoolOptions<Data>
  private piscina: Piscina | undefined
  private incarnation = 0
  private readyAtMs: number | undefined
  /** Deaths since the last quiet time. */
  private deaths = 0
  /** What ended the thread, when it is not what its task was rejected with. */
  private lastError: unknown
  private exitReason: string | undefined
  private cancelRestart: (() => void) | undefined
  private task: Promise<void> = Promise.resolve()

  constructor(index: number, options: ThreadPoolOptions<Data>) {
    this.index = index
    this.options = options
  }

  start(): void {
    this.cancelRestart = undefined
    this.readyAtMs = undefined
    this.lastError = undefined
    this.exitReason = undefined
    // After a crash Piscina has started a spare thread already, which saves most of the time that a replacement takes.
    this.piscina ??= this.createPiscina()
    const { port1, port2 } = new MessageChannel()
    const thread: PoolThread = { slot: this.index, incarnation: ++this.incarnation, port: port1 }
    const task: HostTask<Data> = {
      slot: this.index,
      incarnation: this.incarnation,
      port: port2,
      data: this.options.data(),
    }
    this.thread = thread
    // Of a thread that exits before it took its task Piscina tells nothing at all.
    this.piscina.threads[0]?.once('exit', code => {
      this.exitReason = `it exited with code ${code}`
    })
    this.options.listener.starting(thread)
    this.task = this.piscina.run(task, { transferList: [port2 as unknown as Transferable] }).then(
      () => this.ended(thread, this.isEnding ? undefined : 'its host task returned'),
      error => this.ended(thread, this.lastError ?? error),
    )
  }

  confirmReady(thread: PoolThread): void {
    if (thread !== this.thread || this.readyAtMs !== undefined) return
    this.readyAtMs = monotonicMs()
  }

  replace(thread: PoolThread, reason: string): void {
    if (thread !== this.thread) return
    this.lastError = reason
    void this.discardPiscina()
  }

  async close(graceMs: number): Promise<void> {
    this.cancelRestart?.()
    const { promise: graceOver, resolve } = Promise.withResolvers<void>()
    const cancel = after(graceMs, resolve)
    await Promise.race([this.task, graceOver])
    cancel()
    await this.discardPiscina()
    await this.task
  }

  private ended(thread: PoolThread, error: unknown): void {
    this.thread = undefined
    hearOut(thread.port)
    thread.port.close()
    const reason = describeDeath(error, this.options.maxHeapMb)
    if (this.isEnding) {
      if (error !== undefined) this.options.listener.died(thread, reason, undefined)
      return
    }
    if (this.piscina?.threads.length === 0) void this.discardPiscina()
    const wasQuiet = this.readyAtMs !== undefined && monotonicMs() - this.readyAtMs >= quietMs
    const isFirstCrash = this.readyAtMs !== undefined && (wasQuiet || this.deaths === 0)
    if (wasQuiet) this.deaths = 0
    this.deaths++
    this.restarts++
    const restartMs = isFirstCrash ? 0 : doubled(firstBackOffMs, longestBackOffMs, this.deaths - 1)
    this.cancelRestart = after(restartMs, () => this.start())
    this.options.listener.died(thread, reason, restartMs)
  }

  private createPiscina(): Piscina {
    const { maxHeapMb, argv, module } = this.options
    const piscina = new Piscina({
      filename: module.href,
      name: 'host',
      minThreads: 1,
      maxThreads: 1,
      concurrentTasksPerWorker: 1,
      // The default, 'sync', blocks the event loop of a thread that has no task: no timers, no sockets, no messages.
      atomics: 'disabled',
      idleTimeout: Number.POSITIVE_INFINITY,
      recordTiming: false,
      ...(argv && { argv: [...argv] }),
      ...(maxHeapMb !== undefined && { resourceLimits: { maxOldGenerationSizeMb: maxHeapMb } }),
    })
    // Of a thread that dies without a task Piscina tells the error here.
    piscina.on('error', error => {
      this.lastError = error
    })
    piscina.on('workerDestroy', () => {
      queueMicrotask(() => {
        if (piscina !== this.piscina || piscina.threads.length > 0) return
        this.lastError ??= this.exitReason
        void this.discardPiscina()
      })
    })
    return piscina
  }

  /** Ends its thread, if any; a task that waits for a thread that never came is rejected. */
  private async discardPiscina(): Promise<void> {
    const { piscina } = this
    this.piscina = undefined
    await piscina?.destroy()
  }
}
