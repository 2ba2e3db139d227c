type Members = Record<string, unknown>

const isMembers = (value: unknown): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date)

/**
 * Adds the members of an object to a document. Where both have an object, they become one; else what is added takes the
 * place of what was there.
 */
export function mergeFields(json: string, more: object): string {
  const members = Object.keys(more)
  if (members.length === 0) return json
  // Names that the document does not have need no look inside of it.
  if (members.every(name => !json.includes(`"${name}":`))) {
    const added = JSON.stringify(more).slice(1)
    return added === '}' ? json : `${json.slice(0, -1)},${added}`
  }
  return JSON.stringify(merge(JSON.parse(json) as Members, more as Members))
}

function merge(into: Members, from: Members): Members {
  for (const [name, value] of Object.entries(from)) {
    const present = into[name]
    if (name === '__proto__') continue
    into[name] = isMembers(present) && isMembers(value) ? merge(present, value) : value
  }
  return into
}
