import type { ReceivedSpan } from '../../test/support/otlp-receiver.ts'

/** A trace as a person reads it: who called whom, on which node, and how long it took. */
export function drawTrace(spans: readonly ReceivedSpan[], traceId: string): string {
  const own = spans.filter(span => span.traceId === traceId)
  const ids = new Set(own.map(({ spanId }) => spanId))
  const lines: string[] = []
  const draw = (span: ReceivedSpan, depth: number): void => {
    const ms = Number(span.endNs - span.startNs) / 1e6
    const node = String(span.resource['sluice.node.name'])
    lines.push(
      `${`${'  '.repeat(depth)}${span.name}`.padEnd(44)} ${node.padEnd(8)} ${ms.toFixed(2).padStart(8)} ms`,
    )
    for (const child of childrenOf(span.spanId)) draw(child, depth + 1)
  }
  const childrenOf = (id: string): ReceivedSpan[] =>
    own.filter(({ parentSpanId }) => parentSpanId === id).sort(byStart)
  for (const root of own.filter(({ parentSpanId }) => !ids.has(parentSpanId)).sort(byStart)) draw(root, 0)
  for (const batch of spans.filter(({ links }) => links.some(link => link.traceId === traceId)))
    lines.push(
      `${`${batch.name}, of ${batch.links.length} exchanges`.padEnd(44)} ${String(batch.resource['sluice.node.name']).padEnd(8)} ${(Number(batch.endNs - batch.startNs) / 1e6).toFixed(2).padStart(8)} ms`,
    )
  return lines.join('\n')
}

const byStart = (a: ReceivedSpan, b: ReceivedSpan): number => Number(a.startNs - b.startNs)
