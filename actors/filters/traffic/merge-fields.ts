import type { JSONWriter } from './json-writer.ts'

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
 * Adds the members of an object to a document that was just written. Where both have an object, they become one; else what is
 * added takes the place of what was there. What is undefined is taken out.
 *
 * @param text by `fieldsText`
 */
export function mergeFields(document: JSONWriter, text: string): void {
  const parted = text.indexOf(parting)
  if (parted < 0) {
    add(document, text)
    return
  }
  add(document, text.slice(0, parted))
  const members = JSON.parse(document.text()) as Members
  for (const path of JSON.parse(text.slice(parted + 1)) as string[][]) takeOut(members, path)
  rewrite(document, members)
}

function takeOut(document: Members, path: readonly string[]): void {
  let within: unknown = document
  for (const name of path.slice(0, -1))
    within = isMembers(within) && Object.hasOwn(within, name) ? within[name] : undefined
  if (isMembers(within)) delete within[path.at(-1) as string]
}

function add(document: JSONWriter, added: string): void {
  const more = JSON.parse(added) as Members
  const names = Object.keys(more)
  if (names.length === 0) return
  // Names that the document does not have need no look inside of it.
  if (names.every(name => !document.includes(`"${name}":`))) {
    // In the place of its last brace.
    document.at--
    document.json(`,${added.slice(1)}`)
  } else rewrite(document, merge(JSON.parse(document.text()) as Members, more))
}

function rewrite(document: JSONWriter, members: Members): void {
  document.begin()
  document.json(JSON.stringify(members))
}

function merge(into: Members, from: Members): Members {
  for (const [name, value] of Object.entries(from)) {
    const present = into[name]
    if (name === '__proto__') continue
    into[name] = isMembers(present) && isMembers(value) ? merge(present, value) : value
  }
  return into
}
