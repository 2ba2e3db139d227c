import { TrafficError } from '../../runtime/errors.ts'
import { parseDuration } from '../../runtime/options.ts'
import { type TraceLevel, type TracePolicy, traceLevels } from '../../runtime/trace/tracer.ts'
import type { ExportLimits } from './export-queue.ts'
import type { OtlpEndpoint } from './otlp-sender.ts'
import { countOf, listOf, pairsOf, refuse, shareOf, textOf, type Variables } from './variables.ts'

/** What the command line says of telemetry, as text. */
export interface TelemetryFlags {
  readonly otlp?: string | undefined
  readonly traceSample?: string | undefined
  readonly traceLevel?: string | undefined
  readonly traceKeep?: string | undefined
}

export type Signal = 'traces' | 'metrics' | 'logs'

/** Telemetry that leaves the process; a signal that is undefined does not. */
export interface TelemetrySettings {
  readonly traces:
    | { readonly endpoint: OtlpEndpoint; readonly limits: ExportLimits; readonly policy: TracePolicy }
    | undefined
  readonly logs: { readonly endpoint: OtlpEndpoint; readonly limits: ExportLimits } | undefined
  readonly metrics: { readonly endpoint: OtlpEndpoint; readonly intervalMs: number } | undefined
  /** What `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` say of the process. */
  readonly resource: Readonly<Record<string, string>>
}

/** Longer than the 2048 of the SDKs: a proxy ends as many spans in 20 ms. At about 1 kB each it is some 16 MB. */
const traceQueue = 16_384

/**
 * The settings of telemetry: the command line first, then the variables of OpenTelemetry. Undefined when nothing is to
 * be exported, which is the case unless one of them names a collector.
 *
 * @throws TrafficError `BadOption`
 */
export function telemetrySettings(
  flags: TelemetryFlags,
  variables: Variables,
): TelemetrySettings | undefined {
  if (textOf(variables, 'OTEL_SDK_DISABLED')?.toLowerCase() === 'true') return undefined
  const traces = endpointOf('traces', flags, variables)
  const logs = endpointOf('logs', flags, variables)
  const metrics = endpointOf('metrics', flags, variables)
  if (traces === undefined && logs === undefined && metrics === undefined) {
    refuseUnused(flags)
    return undefined
  }
  return {
    traces: traces && {
      endpoint: traces,
      policy: policyOf(flags, variables),
      limits: limitsOf('BSP', traceQueue, variables),
    },
    logs: logs && { endpoint: logs, limits: limitsOf('BLRP', 2048, variables) },
    metrics: metrics && {
      endpoint: metrics,
      intervalMs: countOf(variables, 'OTEL_METRIC_EXPORT_INTERVAL', 60_000),
    },
    resource: {
      ...pairsOf('OTEL_RESOURCE_ATTRIBUTES', textOf(variables, 'OTEL_RESOURCE_ATTRIBUTES')),
      ...named(textOf(variables, 'OTEL_SERVICE_NAME')),
    },
  }
}

const named = (name: string | undefined): Record<string, string> =>
  name === undefined ? {} : { 'service.name': name }

/** Someone who asks for traces wants to see them somewhere. */
function refuseUnused(flags: TelemetryFlags): void {
  for (const [name, value] of [
    ['--trace-sample', flags.traceSample],
    ['--trace-level', flags.traceLevel],
    ['--trace-keep', flags.traceKeep],
  ] as const)
    if (value !== undefined)
      throw new TrafficError(
        'BadOption',
        `${name} says what to trace, and nothing where to: add --otlp=http://collector:4318, or set OTEL_EXPORTER_OTLP_ENDPOINT`,
      )
}

function endpointOf(signal: Signal, flags: TelemetryFlags, variables: Variables): OtlpEndpoint | undefined {
  const own = `OTEL_EXPORTER_OTLP_${signal.toUpperCase()}_`
  const either = (name: string): string | undefined =>
    textOf(variables, own + name) ?? textOf(variables, `OTEL_EXPORTER_OTLP_${name}`)
  const exporter = `OTEL_${signal.toUpperCase()}_EXPORTER`
  const exporters = listOf(textOf(variables, exporter) ?? 'otlp')
  if (!exporters.includes('otlp')) {
    if (exporters.some(each => each !== 'none')) refuse(exporter, exporters.join(','), 'otlp or none')
    return undefined
  }
  const specific = textOf(variables, `${own}ENDPOINT`)
  const base = flags.otlp ?? textOf(variables, 'OTEL_EXPORTER_OTLP_ENDPOINT')
  if (specific === undefined && base === undefined) return undefined
  const from =
    specific !== undefined
      ? `${own}ENDPOINT`
      : flags.otlp === undefined
        ? 'OTEL_EXPORTER_OTLP_ENDPOINT'
        : '--otlp'
  const url = specific ?? `${(base as string).replace(/\/+$/, '')}/v1/${signal}`
  checkURL(from, specific ?? (base as string))
  const protocol = either('PROTOCOL') ?? 'http/protobuf'
  if (protocol !== 'http/protobuf' && protocol !== 'http/json')
    refuse(
      'OTEL_EXPORTER_OTLP_PROTOCOL',
      protocol,
      'http/protobuf or http/json (gRPC is not spoken: collectors take both, usually HTTP on port 4318)',
    )
  const compression = either('COMPRESSION') ?? 'none'
  if (compression !== 'gzip' && compression !== 'none')
    refuse('OTEL_EXPORTER_OTLP_COMPRESSION', compression, 'gzip or none')
  return {
    url,
    headers: pairsOf('OTEL_EXPORTER_OTLP_HEADERS', either('HEADERS')),
    protocol,
    isCompressed: compression === 'gzip',
    timeoutMs: countOf(
      variables,
      textOf(variables, `${own}TIMEOUT`) === undefined ? 'OTEL_EXPORTER_OTLP_TIMEOUT' : `${own}TIMEOUT`,
      10_000,
    ),
  }
}

function checkURL(name: string, text: string): void {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:')
    refuse(name, text, 'the URL of a collector, like http://collector:4318')
}

const limitsOf = (prefix: 'BSP' | 'BLRP', queue: number, variables: Variables): ExportLimits => {
  const size = countOf(variables, `OTEL_${prefix}_MAX_QUEUE_SIZE`, queue)
  return {
    queue: size,
    batch: Math.min(size, countOf(variables, `OTEL_${prefix}_MAX_EXPORT_BATCH_SIZE`, 512)),
    delayMs: countOf(variables, `OTEL_${prefix}_SCHEDULE_DELAY`, prefix === 'BSP' ? 5000 : 1000),
    timeoutMs: countOf(variables, `OTEL_${prefix}_EXPORT_TIMEOUT`, 30_000),
  }
}

function policyOf(flags: TelemetryFlags, variables: Variables): TracePolicy {
  const propagators = new Set(listOf(textOf(variables, 'OTEL_PROPAGATORS') ?? 'tracecontext,baggage'))
  for (const name of propagators)
    if (!['tracecontext', 'baggage', 'b3', 'b3multi', 'none'].includes(name))
      refuse('OTEL_PROPAGATORS', name, 'tracecontext, baggage, b3, b3multi or none')
  return {
    ...samplingOf(flags, variables),
    level: levelOf(flags.traceLevel, textOf(variables, 'SLUICE_TRACE_LEVEL')),
    keep: keepOf(flags.traceKeep, textOf(variables, 'SLUICE_TRACE_KEEP')),
    propagation: {
      w3c: propagators.has('tracecontext'),
      b3: propagators.has('b3'),
      b3Multi: propagators.has('b3multi'),
      baggage: propagators.has('baggage'),
    },
    eventLimit: countOf(variables, 'OTEL_SPAN_EVENT_COUNT_LIMIT', 128, 0),
    linkLimit: countOf(variables, 'OTEL_SPAN_LINK_COUNT_LIMIT', 128, 0),
  }
}

function samplingOf(
  { traceSample }: TelemetryFlags,
  variables: Variables,
): Pick<TracePolicy, 'ratio' | 'isParentBased'> {
  if (traceSample !== undefined) return { ratio: shareOf('--trace-sample', traceSample), isParentBased: true }
  const sampler = textOf(variables, 'OTEL_TRACES_SAMPLER') ?? 'parentbased_always_on'
  const isParentBased = sampler.startsWith('parentbased_')
  switch (sampler.replace('parentbased_', '')) {
    case 'always_on':
      return { ratio: 1, isParentBased }
    case 'always_off':
      return { ratio: 0, isParentBased }
    case 'traceidratio':
      return {
        ratio: shareOf('OTEL_TRACES_SAMPLER_ARG', textOf(variables, 'OTEL_TRACES_SAMPLER_ARG') ?? '1'),
        isParentBased,
      }
    default:
      return refuse(
        'OTEL_TRACES_SAMPLER',
        sampler,
        'always_on, always_off or traceidratio, each also with parentbased_ in front',
      )
  }
}

function levelOf(flag: string | undefined, variable: string | undefined): TraceLevel {
  const text = flag ?? variable ?? 'message'
  const level = traceLevels.find(known => known === text)
  return (
    level ??
    refuse(flag === undefined ? 'SLUICE_TRACE_LEVEL' : '--trace-level', text, 'message, filter or event')
  )
}

/** `errors`, `slow:<duration>`, or both. */
function keepOf(flag: string | undefined, variable: string | undefined): TracePolicy['keep'] {
  const rules = listOf(flag ?? variable)
  if (rules.length === 0) return undefined
  const keep: { errors: boolean; slowMs: number | undefined } = { errors: false, slowMs: undefined }
  for (const rule of rules) {
    const limit = /^slow:(.+)$/.exec(rule)?.[1]
    const ms = limit === undefined ? undefined : parseDuration(/^[\d.]+$/.test(limit) ? Number(limit) : limit)
    if (rule === 'errors') keep.errors = true
    else if (ms !== undefined) keep.slowMs = ms
    else
      refuse(
        flag === undefined ? 'SLUICE_TRACE_KEEP' : '--trace-keep',
        rule,
        'errors, slow:<duration> (like slow:1s), or both with a comma',
      )
  }
  return keep
}
