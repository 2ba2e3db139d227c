import { TrafficError } from '../../../runtime/errors.ts'
import { show } from '../../../runtime/options.ts'

/** One step of a path: the member or element that it goes to, and whether it may be any number of levels further down. */
export interface PathStep {
  /** A member's name, or an element's number; null: all of them. */
  readonly key: string | number | null
  readonly isDeep: boolean
}

export type JSONPath = readonly PathStep[]

const step = /(\.\.?)(?:(\*)|([^.[\]*]+))|(\.\.)?\[(?:(\*)|(\d+)|'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")\]/y

/**
 * Reads a path like `$.card.number`, `$.items[*].price`, `$..password` or `$['first name']` (RFC 9535, without filters,
 * slices and lists).
 *
 * @throws TrafficError `BadOption`
 */
export function parseJSONPath(text: string): JSONPath {
  const steps: PathStep[] = []
  if (text === '$') return steps
  step.lastIndex = 1
  while (step.lastIndex < text.length) {
    const match = text.startsWith('$') ? step.exec(text) : null
    if (match === null) break
    const [, dots, star, name, deep, starred, index, single, double] = match
    const quoted = single ?? double
    steps.push({
      isDeep: dots === '..' || deep === '..',
      key:
        star !== undefined || starred !== undefined
          ? null
          : index !== undefined
            ? Number(index)
            : (name ?? (quoted as string).replace(/\\(.)/g, '$1')),
    })
    if (step.lastIndex === text.length) return steps
  }
  step.lastIndex = 0
  throw new TrafficError(
    'BadOption',
    `a JSON path is written like '$.card.number', '$.items[*].price' or '$..password', and this is ${show(text)}`,
  )
}
