import { readFileSync } from 'node:fs'
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'

/** What is read of a .cpuprofile. */
export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
    readonly children?: readonly number[]
    readonly positionTicks?: readonly { readonly line: number; readonly ticks: number }[]
  }[]
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

type Kind = 'sluice' | 'package' | 'node' | 'native' | 'program' | 'gc' | 'idle'

export interface Row {
  readonly kind: Kind
  readonly name: string
  readonly where: string
  selfUs: number
  totalUs: number
}

export interface V8Profile {
  readonly wallUs: number
  readonly busyUs: number
  readonly rows: readonly Row[]
  readonly kinds: ReadonlyMap<Kind, number>
  readonly lines: readonly { readonly where: string; readonly ticks: number; readonly source: string }[]
}

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/** Self and total time per function, by what kind of code it is. */
export function analyze(profile: CpuProfile): V8Profile {
  const byId = new Map(profile.nodes.map(node => [node.id, node]))
  const parents = new Map(profile.nodes.flatMap(node => (node.children ?? []).map(child => [child, node.id])))
  const selfOfNode = new Map<number, number>()
  profile.samples.forEach((id, n) => {
    selfOfNode.set(id, (selfOfNode.get(id) ?? 0) + (profile.timeDeltas[n] ?? 0))
  })

  const rows = new Map<string, Row>()
  const kinds = new Map<Kind, number>()
  const rowOf = (id: number): Row | undefined => {
    const frame = byId.get(id)?.callFrame
    if (!frame) return undefined
    const where = place(frame)
    const key = `${frame.functionName} ${where}`
    let row = rows.get(key)
    if (!row) {
      row = { kind: kindOf(frame), name: frame.functionName || '(anonymous)', where, selfUs: 0, totalUs: 0 }
      rows.set(key, row)
    }
    return row
  }
  for (const [id, us] of selfOfNode) {
    const self = rowOf(id)
    if (!self) continue
    self.selfUs += us
    kinds.set(self.kind, (kinds.get(self.kind) ?? 0) + us)
    // A function that recurses counts once per sample.
    const seen = new Set<Row>()
    for (let at: number | undefined = id; at !== undefined; at = parents.get(at)) {
      const row = rowOf(at)
      if (row) seen.add(row)
    }
    for (const row of seen) row.totalUs += us
  }
  const wallUs = profile.timeDeltas.reduce((sum, us) => sum + us, 0)
  return {
    wallUs,
    busyUs: wallUs - (kinds.get('idle') ?? 0),
    rows: [...rows.values()],
    kinds,
    lines: hotLines(profile),
  }
}

function kindOf({ functionName, url }: { functionName: string; url: string }): Kind {
  if (functionName === '(idle)') return 'idle'
  if (functionName === '(garbage collector)') return 'gc'
  if (functionName === '(program)' || functionName === '(root)') return 'program'
  if (url === '') return 'native'
  if (url.startsWith('node:')) return 'node'
  return url.includes('/node_modules/') ? 'package' : 'sluice'
}

function place({ url, lineNumber }: { url: string; lineNumber: number }): string {
  if (url === '') return ''
  const path = url.startsWith('file:') ? relative(ROOT, fileURLToPath(url)) : url
  return `${path}:${lineNumber + 1}`
}

/**
 * The lines where the samples fell, with their text. V8 may charge a line of a function that it inlined to the file it
 * inlined it into; where that gives a line that is not there, it is left out.
 */
function hotLines(profile: CpuProfile): V8Profile['lines'] {
  const ticks = new Map<string, number>()
  for (const { callFrame, positionTicks = [] } of profile.nodes) {
    if (!callFrame.url.startsWith('file:')) continue
    for (const { line, ticks: count } of positionTicks) {
      const key = `${callFrame.url}\n${line}`
      ticks.set(key, (ticks.get(key) ?? 0) + count)
    }
  }
  return [...ticks]
    .sort(([, a], [, b]) => b - a)
    .slice(0, 60)
    .map(([key, count]) => {
      const [url = '', line = '0'] = key.split('\n')
      const path = fileURLToPath(url)
      return {
        where: `${relative(ROOT, path)}:${line}`,
        ticks: count,
        source: sourceLine(path, Number(line)),
      }
    })
    .filter(({ source }) => source !== '')
}

function sourceLine(path: string, line: number): string {
  try {
    return readFileSync(path, 'utf8').split('\n')[line - 1]?.trim() ?? ''
  } catch {
    return '' // a module that was loaded from elsewhere than a file
  }
}
