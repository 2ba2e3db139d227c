import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('../..', import.meta.url))

interface CodeBlock {
  /** `file:line` of its first line. */
  readonly place: string
  readonly language: string
  readonly text: string
}

/** Every page that users read, by its path from the root. */
export const pages: ReadonlyMap<string, string> = new Map(
  ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', ...pagesIn('docs'), ...pagesIn('examples')].map(path => [
    path,
    readFileSync(join(root, path), 'utf8'),
  ]),
)

function pagesIn(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.md'))
    .map(name => join(folder, name))
    .sort()
}

const codeBlocks: readonly CodeBlock[] = [...pages].flatMap(([path, text]) =>
  [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(match => ({
    place: `${path}:${text.slice(0, match.index).split('\n').length + 1}`,
    language: match[1] as string,
    text: match[2] as string,
  })),
)

/** Blocks that are scripts from beginning to end, and so must run as they are. */
export const scripts = codeBlocks.filter(
  ({ language, text }) =>
    (language === 'ts' && /^export default /m.test(text)) ||
    (language === 'js' && /^pipy(?:\(|\.listen\()/m.test(text)),
)
