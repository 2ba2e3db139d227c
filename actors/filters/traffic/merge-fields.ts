import type { JSONWriter } from './json-writer.ts'

type Members = Record<string, unknown>

const isMembers = (value: unknown): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/**
 * Adds the members of an object to a document that was just written. Where both have an object, they become one; else what is
 * added takes the place of what was there.
 *
 * @param added JSON of an object, without spaces between
 */
export function mergeFields(document: JSONWriter, added: string): void {
  const more = JSON.parse(added) as Members
  const members = Object.keys(more)
  if (members.length === 0) return
  // Names that the document does not have need no look inside of it.
  if (members.every(name => !document.includes(`"${name}":`))) {
    // In the place of its last brace.
    document.at--
    document.json(`,${added.slice(1)}`)
    return
  }
  const merged = merge(JSON.parse(document.text()) as Members, more)
  document.begin()
  document.json(JSON.stringify(merged))
}

function merge(into: Members, from: Members): Members {
  for (const [name, value] of Object.entries(from)) {
    const present = into[name]
    if (name === '__proto__') continue
    into[name] = isMembers(present) && isMembers(value) ? merge(present, value) : value
  }
  return into
}
