type Members = Record<string, unknown>

const isMembers = (value: unknown): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Stands between what is added and what is taken out: JSON without spaces has none. */
const parting = '\n'

/**
 * What a script adds to a document, as text for `mergeFields`: its JSON, and behind a line break the paths of the members
 * that are undefined, which JSON leaves out. Undefined when it is no object of members.
 *
 * @throws TypeError when JSON cannot say it
 */
export function fieldsText(given: object): string | undefined {
  const json = JSON.stringify(given) as string | undefined
  if (json?.startsWith('{') !== true) return undefined
  const absent: string[][] = []
  noteAbsent(given as Members, [], absent)
  return absent.length === 0 ? json : json + parting + JSON.stringify(absent)
}

function noteAbsent(members: Members, path: readonly string[], absent: string[][]): void {
  // What says for itself how it is written has no members of its own.
  if (members.toJSON !== undefined) return
  for (const name in members) {
    const value = members[name]
    if (value === undefined) absent.push([...path, name])
    else if (isMembers(value)) noteAbsent(value, [...path, name], absent)
  }
}

/**
 * Adds the members of an object to a document. Where both have an object, they become one; else what is added takes the
 * place of what was there. What is undefined is taken out.
 *
 * @param text by `fieldsText`
 */
export function mergeFields(json: string, text: string): string {
  const parted = text.indexOf(parting)
  if (parted < 0) return added(json, text)
  const document = JSON.parse(added(json, text.slice(0, parted))) as Members
  for (const path of JSON.parse(text.slice(parted + 1)) as string[][]) takeOut(document, path)
  return JSON.stringify(document)
}

function takeOut(document: Members, path: readonly string[]): void {
  let within: unknown = document
  for (const name of path.slice(0, -1))
    within = isMembers(within) && Object.hasOwn(within, name) ? within[name] : undefined
  if (isMembers(within)) delete within[path.at(-1) as string]
}

function added(json: string, added: string): string {
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
