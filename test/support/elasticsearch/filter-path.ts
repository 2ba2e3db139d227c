/** The part of an answer that `filter_path` asks for: dotted paths with commas between, `*` for any name. */
export function filterPath(value: unknown, patterns: string): unknown {
  return pick(
    value,
    patterns.split(',').map(pattern => pattern.split('.')),
  )
}

function pick(value: unknown, paths: readonly (readonly string[])[]): unknown {
  if (paths.some(path => path.length === 0)) return value
  if (Array.isArray(value)) {
    const picked = value.map(each => pick(each, paths)).filter(each => each !== undefined)
    return picked.length === 0 ? undefined : picked
  }
  if (typeof value !== 'object' || value === null) return undefined
  const entries = Object.entries(value).flatMap(([name, inner]) => {
    const rest = paths.filter(([first]) => first === name || first === '*').map(path => path.slice(1))
    const picked = rest.length === 0 ? undefined : pick(inner, rest)
    return picked === undefined ? [] : [[name, picked] as const]
  })
  return entries.length === 0 ? undefined : Object.fromEntries(entries)
}
