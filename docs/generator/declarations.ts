/**
 * Public declarations with their comments, taken from a source file as text. It relies on the formatter: what is on
 * the top level begins in the first column, members begin in the third, a block ends with `}` in the column it began in.
 */

/** What `name` declares, without bodies and without what is private. @throws Error when it is not there. */
export function declarationOf(source: string, name: string): string {
  const lines = source.split('\n')
  // A type and a value may have one name; the type then tells what the value is.
  for (const keyword of ['(?:abstract )?class', 'interface', 'type', 'function', 'const']) {
    const declares = new RegExp(`^export ${keyword} ${name}\\b`)
    const at = lines.findIndex(line => declares.test(line))
    if (at >= 0) return [...commentAbove(lines, at), ...textOf(lines, at, name)].join('\n')
  }
  throw new Error(`no exported declaration of ${name}`)
}

function textOf(lines: readonly string[], at: number, name: string): string[] {
  const first = (lines[at] as string).replace(/^export /, '')
  if (first.startsWith('function ')) return overloads(lines, name)
  if (first.startsWith('type ')) return typeAlias(lines, at)
  if (!first.endsWith('{') || / => \{$/.test(first))
    return [first.replace(/ => .*$/, '').replace(' = ', ': ')]
  const end = lines.findIndex((line, i) => i > at && line.startsWith('}'))
  const opening = first.replace(/^abstract class/, 'class').replace(/ = \{$/, ': {')
  return [opening, ...membersOf(lines.slice(at + 1, end), first.startsWith('const ')), '}']
}

function typeAlias(lines: readonly string[], at: number): string[] {
  const end = lines.findIndex((line, i) => i > at && !/^\s/.test(line))
  return [(lines[at] as string).replace(/^export /, ''), ...lines.slice(at + 1, end)]
}

function commentAbove(lines: readonly string[], at: number): string[] {
  if (!/\*\/$/.test(lines[at - 1] ?? '')) return []
  let from = at - 1
  while (!/^\s*\/\*\*/.test(lines[from] as string)) from--
  return lines.slice(from, at)
}

function overloads(lines: readonly string[], name: string): string[] {
  const all = lines.filter(line => line.startsWith(`export function ${name}`))
  const declared = all.length > 1 ? all.filter(line => !line.endsWith('{') && !line.endsWith('(')) : all
  return declared.map(line => line.replace(/^export /, '').replace(/ \{$/, ''))
}

interface Member {
  readonly name: string
  readonly lines: string[]
  readonly hasBody: boolean
}

function membersOf(lines: readonly string[], isObject: boolean): string[] {
  const members: Member[] = []
  let doc: string[] = []
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i] as string
    if (line.startsWith('  /**')) {
      const end = lines.findIndex((each, at) => at >= i && each.endsWith('*/'))
      doc = lines.slice(i, end + 1)
      i = end
      continue
    }
    if (!/^ {2}[\w[*]/.test(line)) continue
    const declared = [line]
    while (!isBalanced(declared.join('\n'))) declared.push(lines[++i] as string)
    const member = readMember(declared, doc, isObject)
    doc = []
    if (member !== undefined) members.push(member)
  }
  // Of an overloaded method the last declaration, which has the body, is not for callers.
  return members
    .filter(({ name, hasBody }) => !hasBody || !members.some(other => other.name === name && !other.hasBody))
    .flatMap(member => member.lines)
}

/** Whether all parentheses that a signature opens are closed; the braces of a body are not looked at. */
function isBalanced(text: string): boolean {
  const opened = text.split('(').length
  return opened === text.split(')').length
}

function readMember(
  declared: readonly string[],
  doc: readonly string[],
  isObject: boolean,
): Member | undefined {
  const last = declared.at(-1) as string
  const text = declared.join('\n')
  if (/^ {2}(private|protected|static override|\[)/.test(text)) return undefined
  // What overrides without a word says nothing that its base does not.
  if (/^ {2}override /.test(text) && doc.length === 0) return undefined
  if (/^ {2}(async )?\w+ = |^ {2}readonly kind\b|^ {2}\/\//.test(text)) return undefined
  const hasBody = last.endsWith('{')
  const signature = text
    .replace(/ \{$/, '')
    .replace(/,$/, '')
    .replace(isObject ? / => [\s\S]*$/ : '', '')
    .replace(/^ {2}override /, '  ')
    .replace(/^ {2}abstract /, '  ')
    .replace(/ = (?:true|false|\d+|''|null|undefined)$/, '')
  const name = /(?:get |set |readonly |static |async )*(\w+)/.exec(signature.trim())?.[1] ?? ''
  return { name, lines: [...doc, signature], hasBody: hasBody && !/^ {2}(get|set) /.test(text) }
}
