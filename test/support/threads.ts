import { MessageChannel, Worker } from 'node:worker_threads'
import type { ExecutionContext } from 'ava'
import { Mesh } from '../../runtime/pool/mesh.ts'
import { Occurrences } from './occurrences.ts'

/** A worker thread of a test, joined with the test's own thread (which is thread 0) in a mesh. */
export interface TestThread {
  readonly number: number
  /** What it posted to us, in order. */
  readonly said: Occurrences<unknown>
  /** Calls `listener` with all that it posts from now on. */
  hear(listener: (message: unknown) => void): void
  /** Tells it something, outside of the mesh. */
  say(message: unknown): void
  /** Ends it as a crash would; resolves when the mesh has been told. */
  kill(): Promise<void>
}

/**
 * Real threads in a mesh, in which the test's own thread is number 0: as main thread and pool do it, with the means of
 * a test. A fixture's module gets `{ thread, life, peers: [{ thread, life, port }] }` as its first message.
 */
export class TestThreads {
  readonly mesh = new Mesh(0)
  private readonly workers = new Map<number, { worker: Worker; life: number }>()
  private readonly keepAlive = setInterval(() => {}, 1000)

  constructor(t: ExecutionContext) {
    t.teardown(async () => {
      clearInterval(this.keepAlive)
      this.mesh.close()
      await Promise.all([...this.workers.values()].map(({ worker }) => worker.terminate()))
    })
  }

  /** Starts `module` as thread `number`; a later one with the same number takes the place of one that was killed. */
  start(number: number, module: URL, life = 1): TestThread {
    const worker = new Worker(module)
    const said = new Occurrences<unknown>()
    worker.on('message', message => said.add(message))
    worker.on('error', error => said.add(error))
    const { port1, port2 } = new MessageChannel()
    worker.postMessage({ kind: 'join', thread: number, life, peer: 0, peerLife: 1, port: port2 }, [port2])
    for (const [other, { worker: otherWorker, life: otherLife }] of this.workers) {
      const { port1: a, port2: b } = new MessageChannel()
      worker.postMessage({ kind: 'join', thread: number, life, peer: other, peerLife: otherLife, port: a }, [
        a,
      ])
      otherWorker.postMessage(
        { kind: 'join', thread: other, life: otherLife, peer: number, peerLife: life, port: b },
        [b],
      )
    }
    this.workers.set(number, { worker, life })
    this.mesh.connect(number, life, port1)
    return {
      number,
      said,
      hear: listener => void worker.on('message', listener),
      say: message => worker.postMessage(message),
      kill: async () => {
        this.workers.delete(number)
        await worker.terminate()
        this.mesh.disconnect(number, life)
        for (const { worker: other } of this.workers.values())
          other.postMessage({ kind: 'leave', peer: number, peerLife: life })
      },
    }
  }
}
