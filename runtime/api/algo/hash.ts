const identities = new WeakMap<WeakKey, number>()
let lastIdentity = 0

/**
 * A whole number from 0 to 2^53-1 that is the same for the same value: for text, numbers and other plain values on
 * every thread and node, for objects and functions (by identity) on this thread.
 */
export function hash(value: unknown): number {
  if ((typeof value === 'object' && value !== null) || typeof value === 'function') {
    let identity = identities.get(value)
    if (identity === undefined) {
      identity = ++lastIdentity
      identities.set(value, identity)
    }
    return mix(`object ${identity}`)
  }
  return mix(typeof value === 'string' ? value : `${typeof value} ${String(value)}`)
}

/** Two 32-bit multiplicative hashes side by side, mixed at the end: 53 bits fit a double exactly. */
function mix(text: string): number {
  let high = 0xdeadbeef
  let low = 0x41c6ce57
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    high = Math.imul(high ^ code, 2654435761)
    low = Math.imul(low ^ code, 1597334677)
  }
  high = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909)
  low = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909)
  return 4294967296 * (2097151 & low) + (high >>> 0)
}
