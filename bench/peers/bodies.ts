/** The small answer of the origin, at `/`: 128 bytes. */
export const SMALL_BODY = 'an answer of the usual size. '.repeat(5).slice(0, 128)
/** The large answer of the origin, at `/1m`. */
export const LARGE_BYTES = 2 ** 20
