import { catalogue, prometheusName } from '../../observability/metrics/catalogue.ts'
import { name, page, table } from './markdown.ts'

export function metricsPage(): string {
  return page(
    'Metrics',
    'Every metric that Sluice has of itself: at `/metrics` of the admin port by the name in the first column, by OTLP (`--otlp`) by the one in the second. ' +
      'Names follow the conventions of OpenTelemetry where there are any. Those of `stats` of the script come beside them. How to use them: [the guide](../guides/metrics.md).',
    table(
      ['Prometheus', 'OpenTelemetry', 'kind', 'unit', 'labels', 'what', 'shown when'],
      catalogue.map(entry => [
        name(prometheusName(entry)),
        name(entry.name),
        entry.type,
        entry.unit === '' ? '' : name(entry.unit),
        entry.labels.map(name).join(' '),
        entry.help,
        entry.when ?? 'always',
      ]),
    ),
    'Values are added over the threads of the process, except where `thread` is a label. Counters do not go back when a thread is replaced or the script is loaded anew; they begin at zero with the process.',
  )
}
