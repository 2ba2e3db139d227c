import { TrafficError } from '../../runtime/errors.ts'

/** Runs `work`; what it throws points at the call in the script. */
export function at<T>(site: Error, work: () => T): T {
  try {
    return work()
  } catch (thrown) {
    // An error of a call inside a sub-pipeline has its own place already.
    if (thrown instanceof TrafficError && !placed.has(thrown)) {
      placed.add(thrown)
      const [, ...frames] = (site.stack ?? '').split('\n')
      thrown.stack = `${thrown.name}: ${thrown.message}\n${frames.join('\n')}`
    }
    throw thrown
  }
}

const placed = new WeakSet<TrafficError>()
