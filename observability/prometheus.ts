/**
 * The text that Prometheus reads (exposition format 0.0.4): families of samples with their type and help.
 */
export interface MetricFamily {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly samples: readonly MetricSample[]
}

export interface MetricSample {
  readonly labels: Readonly<Record<string, string | number>>
  readonly value: number
  /** Follows the family's name, for the parts of a histogram. */
  readonly suffix?: '_bucket' | '_sum' | '_count'
}

export const prometheusContentType = 'text/plain; version=0.0.4; charset=utf-8'

export function renderPrometheus(families: readonly MetricFamily[]): string {
  let text = ''
  for (const { name, help, type, samples } of families) {
    if (samples.length === 0) continue
    text += `# HELP ${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n# TYPE ${name} ${type}\n`
    for (const { labels, value, suffix = '' } of samples)
      text += `${name}${suffix}${renderLabels(labels)} ${value}\n`
  }
  return text
}

function renderLabels(labels: Readonly<Record<string, string | number>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(String(value))}"`)
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}

const escapeLabel = (value: string): string =>
  value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
