import { TrafficError } from '../runtime/errors.ts'
import type { ReloadAnswer, RequestToThread } from './protocol.ts'
import type { ServingThread } from './threads.ts'

/** A script may fetch or compute while it loads; a thread that takes longer is taken for hung. */
const loadLimitMs = 30_000

/**
 * Brings the script anew into these threads, all or none: each loads and checks it while the old one runs, and only
 * when all could do they switch. A thread that cannot switch (a port is taken) makes all go back.
 *
 * Returns why not, for a terminal; undefined when all run the new one.
 */
export async function reloadThreads(
  threads: readonly ServingThread[],
  generation: number,
): Promise<string | undefined> {
  const unloadable = await askAll(threads, { kind: 'prepare', generation })
  if (unloadable !== undefined) {
    await askAll(threads, { kind: 'abandon', generation })
    return unloadable
  }
  const unswitchable = await askAll(threads, { kind: 'commit', generation })
  if (unswitchable !== undefined) await askAll(threads, { kind: 'abandon', generation })
  return unswitchable
}

/** The first failure among the answers. All threads are waited for, so that none is still at it afterwards. */
async function askAll(
  threads: readonly ServingThread[],
  request: RequestToThread,
): Promise<string | undefined> {
  const failures = await Promise.all(threads.map(thread => askOne(thread, request)))
  return failures.find(failure => failure !== undefined)
}

async function askOne(thread: ServingThread, request: RequestToThread): Promise<string | undefined> {
  try {
    const answer = await thread.dialogue.ask<ReloadAnswer>(request, loadLimitMs)
    thread.listeners = answer.listeners
    thread.hasSources = answer.hasSources
    thread.generation = answer.generation
    return answer.failure
  } catch (error) {
    const fault = TrafficError.from(error)
    // Dead while switching: its replacement loads the new script. Dead while loading: the script may have killed it.
    if (fault.code === 'ThreadDied' && request.kind !== 'prepare') return undefined
    return `Thread ${thread.slot} did not reload: ${fault.message}`
  }
}
