import { setTimeout as pause } from 'node:timers/promises'

/**
 * Looks until something holds, for what tells nobody when it does, like what a server has stored.
 *
 * @throws when it does not within `limitMs`, with what it was then
 */
export async function eventually<T>(
  look: () => T | Promise<T>,
  holds: (value: T) => boolean = Boolean,
  limitMs = 20_000,
): Promise<T> {
  const end = performance.now() + limitMs
  for (;;) {
    const value = await look()
    if (holds(value)) return value
    if (performance.now() > end) throw new Error(`it was still ${JSON.stringify(value)} after ${limitMs} ms`)
    await pause(5)
  }
}
