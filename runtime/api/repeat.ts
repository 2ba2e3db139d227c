type Step<R> = (index: number) => R

/**
 * Calls a function over and over, or a number of times, or for each element of an array, until it returns something
 * other than undefined; returns that.
 */
export function repeat<R>(step: Step<R>): R
export function repeat<R>(count: number, step: Step<R>): R | undefined
export function repeat<E, R>(elements: readonly E[], step: (element: E, index: number) => R): R | undefined
export function repeat(
  first: number | readonly unknown[] | Step<unknown>,
  step?: (...args: never[]) => unknown,
): unknown {
  const elements = Array.isArray(first) ? first : undefined
  const count = typeof first === 'number' ? first : (elements?.length ?? Number.POSITIVE_INFINITY)
  const call = (typeof first === 'function' ? first : step) as (...args: unknown[]) => unknown
  for (let i = 0; i < count; i++) {
    const result = elements ? call(elements[i], i) : call(i)
    if (result !== undefined) return result
  }
  return undefined
}

/** The same as Pipy had it before its third generation: goes on as long as the function returns a true value. */
export function dialectRepeat<R>(step: Step<R>): R
export function dialectRepeat<R>(count: number, step: Step<R>): R | undefined
export function dialectRepeat(first: number | Step<unknown>, step?: Step<unknown>): unknown {
  const count = typeof first === 'number' ? first : Number.POSITIVE_INFINITY
  const call = (typeof first === 'function' ? first : step) as Step<unknown>
  let result: unknown
  for (let i = 0; i < count; i++) {
    result = call(i)
    if (!result) break
  }
  return result
}
