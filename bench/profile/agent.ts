/**
 * Preloaded into every thread of the profiled process. A SIGUSR2 starts V8's sampling profiler in all threads, the
 * next one stops it, and each thread writes `thread-<id>.cpuprofile` into BENCH_PROFILE_DIR.
 */
import { writeFileSync } from 'node:fs'
import { type Profiler, Session } from 'node:inspector'
import { BroadcastChannel, isMainThread, threadId } from 'node:worker_threads'

const SAMPLE_US = 200
const session = new Session()
session.connect()
session.post('Profiler.enable')
session.post('Profiler.setSamplingInterval', { interval: SAMPLE_US })
let isOn = false

const channel = new BroadcastChannel('bench-profile')
channel.unref()
channel.onmessage = toggle
if (isMainThread) {
  process.on('SIGUSR2', () => {
    channel.postMessage('toggle')
    toggle()
  })
}

function toggle(): void {
  isOn = !isOn
  if (isOn) session.post('Profiler.start')
  else session.post('Profiler.stop', (_, result: Profiler.StopReturnType) => write(result.profile))
}

function write(profile: Profiler.Profile): void {
  writeFileSync(`${process.env.BENCH_PROFILE_DIR}/thread-${threadId}.cpuprofile`, JSON.stringify(profile))
}
