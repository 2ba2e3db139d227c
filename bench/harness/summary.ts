import type { Metric, Target, Workload } from '../workloads.ts'
import type { Sample } from './rounds.ts'
import { median, spread } from './statistics.ts'

/** The medians of one server's rounds. */
export interface Summary extends Readonly<Record<Metric, number>> {
  readonly cpuSpread: number
  readonly busy: number
  readonly rssMb: number
  /** Of all rounds together. */
  readonly errors: number
  readonly rounds: number
}

/** What a promise came to. */
export interface Verdict {
  readonly workload: string
  readonly server: string
  readonly text: string
  readonly target: string
  /** The ratio to the base, or the difference from it. */
  readonly measured: string
  readonly value: number
  readonly verdict: 'PASS' | 'MISS' | 'not measured'
}

export function summarize(samples: readonly Sample[]): Summary {
  const of = (metric: keyof Sample) => median(samples.map(sample => sample[metric]))
  return {
    cpuUs: of('cpuUs'),
    threadCpuUs: of('threadCpuUs'),
    p50Ms: of('p50Ms'),
    p99Ms: of('p99Ms'),
    megabytesPerSecond: of('megabytesPerSecond'),
    requestsPerSecond: of('requestsPerSecond'),
    cpuSpread: spread(samples.map(sample => sample.cpuUs)),
    busy: of('busy'),
    rssMb: of('rssMb'),
    errors: samples.reduce((sum, sample) => sum + sample.errors, 0),
    rounds: samples.length,
  }
}

/** The samples of each server of a workload. */
export type SamplesByServer = Readonly<Record<string, readonly Sample[]>>

/**
 * The median, over all rounds, of how two servers compare in one round. What they share (a neighbour that takes the
 * caches, a slower clock) is in both, so this tells apart what medians of each alone, taken over minutes, do not: two
 * processes of the same program differed by 2 % this way and by 7 % the other in a quiet hour (2026-11). NaN without a common round.
 */
export function paired(
  ours: readonly Sample[],
  base: readonly Sample[],
  metric: Metric,
  measure: (ours: number, base: number) => number = (a, b) => a / b,
): number {
  const inRound = new Map(base.map(sample => [sample.round, sample[metric]]))
  return median(
    ours.flatMap(sample => {
      const other = inRound.get(sample.round)
      return other === undefined ? [] : [measure(sample[metric], other)]
    }),
  )
}

/** Each target of the workload for each way Sluice ran. A server that erred does not pass, however fast it was. */
export function judge(workload: Workload, samples: SamplesByServer): Verdict[] {
  const ours = Object.keys(workload.servers).filter(
    name => workload.servers[name]?.kind === 'sluice' && name !== workload.base,
  )
  return ours.flatMap(server =>
    workload.targets
      .filter(target => target.server === undefined || target.server === server)
      .map(target => {
        const { limit, isMet, measure, show } = comparison(target)
        const peer = target.against ?? workload.base
        const row = { workload: workload.name, server, text: target.text, target: `${limit} ${peer}` }
        const own = samples[server] ?? []
        const value = paired(own, samples[peer] ?? [], target.metric, measure)
        if (Number.isNaN(value)) return { ...row, measured: '–', value, verdict: 'not measured' }
        const errors = own.reduce((sum, sample) => sum + sample.errors, 0)
        const isGood = isMet(value) && errors === 0
        const measured = errors > 0 ? `${show(value)}, ${errors} errors` : show(value)
        return { ...row, measured, value, verdict: isGood ? 'PASS' : 'MISS' }
      }),
  )
}

interface Comparison {
  readonly limit: string
  readonly measure: (ours: number, base: number) => number
  readonly isMet: (value: number) => boolean
  readonly show: (value: number) => string
}

function comparison(target: Target): Comparison {
  const ratio = {
    measure: (ours: number, base: number) => ours / base,
    show: (value: number) => `${value.toFixed(2)} ×`,
  }
  if ('ratioAtMost' in target) {
    const { ratioAtMost: most } = target
    return { ...ratio, limit: `≤ ${most.toFixed(2)} ×`, isMet: value => value <= most }
  }
  if ('ratioAtLeast' in target) {
    const { ratioAtLeast: least } = target
    return { ...ratio, limit: `≥ ${least.toFixed(2)} ×`, isMet: value => value >= least }
  }
  const { differenceAtMost: most } = target
  const unit = target.metric.endsWith('Us') ? 'µs' : 'ms'
  return {
    limit: `≤ ${most} ${unit} above`,
    measure: (ours, base) => ours - base,
    isMet: value => value <= most,
    show: value => `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(3)} ${unit}`,
  }
}
