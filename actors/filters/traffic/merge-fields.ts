type Members = Record<string, unknown>

const isMembers = (value: unknown): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/**
 * Adds the members of an object to a document. Where both have an object, they become one; else what is added takes the
 * place of what was there.
 *
 * @param added JSON of an object, without spaces between
 */
export function mergeFields(json: string, added: string): string {
  const more = JSON.parse(added) as Members
  const members = Object.keys(more)
  if (members.length === 0) return json
  // Names that the document does not have need no look inside of it.
  if (members.every(name => !json.includes(`"${name}":`))) return `${json.slice(0, -1)},${added.slice(1)}`
  return JSON.stringify(merge(JSON.parse(json) as Members, more))
}

function merge(into: Members, from: Members): Members {
  for (const [name, value] of Object.entries(from)) {
    const present = into[name]
    if (name === '__proto__') continue
    into[name] = isMembers(present) && isMembers(value) ? merge(present, value) : value
  }
  return into
}
