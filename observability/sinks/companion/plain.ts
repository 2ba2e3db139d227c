/** Whether a value means the same in another thread: no functions, no objects of classes but those of the language itself. */
export function isPlain(value: unknown, within: readonly object[] = []): boolean {
  if (typeof value !== 'object' || value === null)
    return typeof value !== 'function' && typeof value !== 'symbol'
  if (value instanceof RegExp || value instanceof Date) return true
  const prototype = Object.getPrototypeOf(value)
  const isLiteral = Array.isArray(value) || prototype === Object.prototype || prototype === null
  if (!isLiteral || within.includes(value)) return false
  return Object.values(value).every(each => isPlain(each, [...within, value]))
}
