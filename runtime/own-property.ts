/**
 * Sets a property whose name came from the network. An assignment to `__proto__` would not make a property; this does.
 */
export function setOwn(target: object, name: string, value: unknown): void {
  if (name === '__proto__')
    Object.defineProperty(target, name, { value, writable: true, enumerable: true, configurable: true })
  else (target as Record<string, unknown>)[name] = value
}
