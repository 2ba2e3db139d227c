/**
 * Names of Java types that came with values. They are kept beside the values, so that a script sees plain objects, maps
 * and arrays, and what it passes on keeps its type. A copy of a value has none.
 */

export interface TypeTag {
  readonly name: string
  /** Written as an instance of a class, with its fields defined once; else as a map or list with a type. */
  readonly isInstance: boolean
}

const tags = new WeakMap<object, TypeTag>()

export const tagOf = (value: object): TypeTag | undefined => tags.get(value)

export function setTag(value: object, name: string, isInstance: boolean): void {
  tags.set(value, { name, isInstance })
}
