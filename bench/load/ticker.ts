/**
 * A clock finer than a timer: the event loop's timers count in whole milliseconds, a futex in nanoseconds.
 * Runs as a worker thread; wakes the thread that started it whenever the next request is due.
 */
import { parentPort, workerData } from 'node:worker_threads'

const { startNs, intervalNs, count } = workerData as { startNs: bigint; intervalNs: number; count: number }
const cell = new Int32Array(new SharedArrayBuffer(4))

for (let n = 0; n < count; n++) {
  const dueNs = n * intervalNs
  for (;;) {
    const waitNs = dueNs - Number(process.hrtime.bigint() - startNs)
    if (waitNs <= 0) break
    Atomics.wait(cell, 0, 0, waitNs / 1e6)
  }
  parentPort?.postMessage(n)
}
