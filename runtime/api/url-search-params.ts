/**
 * Names and values of a query: the one of JavaScript, that also gives itself as an object and takes several values.
 *
 * @example
 *   new URLSearchParams('a=1&b=2&b=3').toObject() // { a: '1', b: ['2', '3'] }
 */
export class URLSearchParams extends globalThis.URLSearchParams {
  /** Sets the value of a name, or its values. */
  override set(name: string, value: string | readonly string[]): void {
    if (!Array.isArray(value)) {
      super.set(name, value as string)
      return
    }
    this.delete(name)
    for (const one of value) this.append(name, one)
  }

  /** Values by name; those of a name that comes several times are an array. */
  toObject(): Record<string, string | string[]> {
    const object: Record<string, string | string[]> = Object.create(null)
    for (const [name, value] of this) {
      const present = object[name]
      if (present === undefined) object[name] = value
      else if (typeof present === 'string') object[name] = [present, value]
      else present.push(value)
    }
    return { ...object }
  }
}
