/** Ways to compress, by the name that HTTP has for them. */
export type Method = 'gzip' | 'deflate' | 'br' | 'zstd'

const names: Readonly<Record<string, Method>> = {
  gzip: 'gzip',
  'x-gzip': 'gzip',
  deflate: 'deflate',
  inflate: 'deflate',
  br: 'br',
  brotli: 'br',
  zstd: 'zstd',
}

/** Those names that a script may use, for error messages. */
export const methodNames = "'gzip', 'deflate', 'brotli' or 'zstd'"

export const methodOf = (name: unknown): Method | undefined =>
  typeof name === 'string' && Object.hasOwn(names, name.toLowerCase()) ? names[name.toLowerCase()] : undefined

export type Level = number | 'default' | 'none' | 'speed' | 'best'

/** Best and default of each. Brotli's own default of 11 is for files that are compressed once: 50 times slower than 5. */
const levels = {
  gzip: { default: 6, none: 0, speed: 1, best: 9 },
  deflate: { default: 6, none: 0, speed: 1, best: 9 },
  br: { default: 5, none: 0, speed: 1, best: 11 },
  zstd: { default: 3, none: 1, speed: 1, best: 19 },
} as const satisfies Record<Method, Record<string, number>>

export const isLevel = (value: unknown): value is Level =>
  (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 22) ||
  (typeof value === 'string' && Object.hasOwn(levels.gzip, value))

export const levelOf = (method: Method, level: Level): number =>
  typeof level === 'number' ? Math.min(level, levels[method].best) : levels[method][level]
