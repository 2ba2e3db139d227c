/**
 * A strict reader of what `/metrics` says, in Prometheus' text format 0.0.4 and in OpenMetrics 1.0: it throws on what
 * a lenient one would let pass.
 */

export interface ReadSample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
  /** Labels of the exemplar. */
  readonly exemplar?: Readonly<Record<string, string>> | undefined
}

export interface ReadFamily {
  readonly name: string
  readonly type: string
  readonly help: string
  readonly samples: readonly ReadSample[]
}

const metricName = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/
const sampleLine = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*?)\})? (\S+)(?: # \{(.*)\} (\S+)(?: (\S+))?)?$/

export function readExposition(text: string, isOpen: boolean): Map<string, ReadFamily> {
  if (!text.endsWith('\n')) throw new Error('the last line has no end')
  const lines = text.slice(0, -1).split('\n')
  if (isOpen) {
    if (lines.pop() !== '# EOF') throw new Error('OpenMetrics ends with # EOF')
  }
  const families = new Map<string, ReadFamily & { samples: ReadSample[] }>()
  let current: (ReadFamily & { samples: ReadSample[] }) | undefined
  let help: { name: string; text: string } | undefined
  const seen = new Set<string>()
  for (const line of lines) {
    const comment = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line)
    if (comment !== null) {
      const [, kind, name, rest] = comment as unknown as [string, string, string, string]
      if (!metricName.test(name)) throw new Error(`'${name}' is no name`)
      if (kind === 'HELP') {
        help = { name, text: rest }
        continue
      }
      if (help?.name !== name) throw new Error(`${name} has no help before its type`)
      if (families.has(name)) throw new Error(`${name} comes twice`)
      current = { name, type: rest, help: help.text, samples: [] }
      families.set(name, current)
      continue
    }
    const match = sampleLine.exec(line)
    if (match === null || current === undefined) throw new Error(`not a sample: ${line}`)
    const [, name, labels = '', value, exemplar] = match as unknown as [
      string,
      string,
      string?,
      string?,
      string?,
    ]
    if (!suffixes(current.type, isOpen).some(suffix => name === current?.name + suffix))
      throw new Error(`${name} is not a sample of ${current.name}, a ${current.type}`)
    if (seen.has(`${name}{${labels}}`)) throw new Error(`${name}{${labels}} comes twice`)
    seen.add(`${name}{${labels}}`)
    const number = value === '+Inf' ? Number.POSITIVE_INFINITY : Number(value)
    if (Number.isNaN(number)) throw new Error(`no number: ${line}`)
    current.samples.push({
      name,
      labels: readLabels(labels),
      value: number,
      exemplar: exemplar === undefined ? undefined : readLabels(exemplar),
    })
  }
  for (const family of families.values()) if (family.type === 'histogram') checkHistogram(family)
  return families
}

const suffixes = (type: string, isOpen: boolean): readonly string[] =>
  type === 'histogram' ? ['_bucket', '_sum', '_count'] : type === 'counter' && isOpen ? ['_total'] : ['']

function readLabels(text: string): Record<string, string> {
  const labels: Record<string, string> = {}
  let rest = text
  while (rest !== '') {
    const match = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(,|$)/.exec(rest)
    if (match === null) throw new Error(`no labels: ${text}`)
    const [whole, name, value] = match as unknown as [string, string, string]
    if (name in labels) throw new Error(`label ${name} comes twice: ${text}`)
    labels[name] = value.replace(/\\(.)/g, (_, c: string) => (c === 'n' ? '\n' : c))
    rest = rest.slice(whole.length)
  }
  return labels
}

/** Buckets grow, the last is +Inf, and it is what _count says. */
function checkHistogram({ name, samples }: ReadFamily): void {
  const groups = Map.groupBy(samples, ({ labels: { le: _, ...own } }) => JSON.stringify(own))
  for (const [labels, group] of groups) {
    const buckets = group.filter(sample => sample.name.endsWith('_bucket'))
    const count = group.find(sample => sample.name.endsWith('_count'))
    const limits = buckets.map(({ labels: { le } }) =>
      le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le),
    )
    const grow = (values: readonly number[], orEqual: boolean): boolean =>
      values.every(
        (value, i) => i === 0 || value > (values[i - 1] as number) || (orEqual && value === values[i - 1]),
      )
    if (!grow(limits, false) || limits.at(-1) !== Number.POSITIVE_INFINITY)
      throw new Error(`${name}${labels}: limits ${limits}`)
    if (
      !grow(
        buckets.map(({ value }) => value),
        true,
      )
    )
      throw new Error(`${name}${labels}: counts fall`)
    if (count?.value !== buckets.at(-1)?.value)
      throw new Error(`${name}${labels}: _count is not the last bucket`)
    if (!group.some(sample => sample.name.endsWith('_sum'))) throw new Error(`${name}${labels}: no _sum`)
  }
}
