const all = 2 ** 32

/**
 * Whether something belongs to a share: by its key, the same way each time, on each thread and each node; without a key
 * by chance.
 */
export function isInShare(share: number, key: unknown): boolean {
  return (key === undefined ? Math.random() : hashOf(String(key)) / all) < share
}

/** FNV-1a with the last steps of MurmurHash3, since keys like 'user-1', 'user-2' would else fall together. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
