import test from 'ava'
import { type TelemetryFlags, telemetrySettings } from '../../../observability/otlp/settings.ts'
import type { Variables } from '../../../observability/otlp/variables.ts'
import { TrafficError } from '../../../runtime/errors.ts'

const collector = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318/' }

test('nothing is exported unless the command line or a variable names a collector', t => {
  t.is(telemetrySettings({}, {}), undefined)
  t.is(telemetrySettings({}, { OTEL_SERVICE_NAME: 'shop', OTEL_EXPORTER_OTLP_ENDPOINT: ' ' }), undefined)
  t.is(telemetrySettings({ otlp: 'http://here' }, { OTEL_SDK_DISABLED: 'true' }), undefined)
  t.is(telemetrySettings({}, collector)?.traces?.endpoint.url, 'http://collector:4318/v1/traces')
})

test('the command line goes before the variables, and a signal has an endpoint of its own if it is given one', t => {
  const settings = telemetrySettings(
    { otlp: 'https://other:4318/base', traceSample: '0.25' },
    {
      ...collector,
      OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: 'http://logs/here',
      OTEL_TRACES_SAMPLER: 'always_off',
    },
  )
  t.is(settings?.traces?.endpoint.url, 'https://other:4318/base/v1/traces')
  t.is(settings?.logs?.endpoint.url, 'http://logs/here')
  t.like(settings?.traces?.policy, { ratio: 0.25, isParentBased: true })
})

test('a signal whose exporter is none is not exported', t => {
  const settings = telemetrySettings(
    {},
    { ...collector, OTEL_LOGS_EXPORTER: 'none', OTEL_TRACES_EXPORTER: 'otlp' },
  )
  t.is(settings?.logs, undefined)
  t.truthy(settings?.traces)
})

test('the variables for headers, form, compression, time and limits are heeded', t => {
  const settings = telemetrySettings(
    {},
    {
      ...collector,
      OTEL_EXPORTER_OTLP_HEADERS: 'api-key=a%20b,tenant=7',
      OTEL_EXPORTER_OTLP_LOGS_HEADERS: 'api-key=logs',
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
      OTEL_EXPORTER_OTLP_TIMEOUT: '5000',
      OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: '700',
      OTEL_BSP_MAX_QUEUE_SIZE: '300',
      OTEL_BSP_SCHEDULE_DELAY: '50',
      OTEL_SPAN_EVENT_COUNT_LIMIT: '16',
      OTEL_SERVICE_NAME: 'shop',
      OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test,service.name=overridden',
    },
  )
  t.deepEqual(settings?.traces?.endpoint, {
    url: 'http://collector:4318/v1/traces',
    headers: { 'api-key': 'a b', tenant: '7' },
    protocol: 'http/json',
    isCompressed: true,
    timeoutMs: 700,
  })
  t.deepEqual(settings?.logs?.endpoint.headers, { 'api-key': 'logs' })
  t.is(settings?.logs?.endpoint.timeoutMs, 5000)
  t.like(settings?.traces?.limits, { queue: 300, batch: 300, delayMs: 50, timeoutMs: 30_000 })
  t.is(settings?.traces?.policy.eventLimit, 16)
  t.deepEqual(settings?.resource, { 'deployment.environment.name': 'test', 'service.name': 'shop' })
})

for (const [sampler, arg, ratio, isParentBased] of [
  [undefined, undefined, 1, true],
  ['always_on', undefined, 1, false],
  ['always_off', undefined, 0, false],
  ['traceidratio', '0.1', 0.1, false],
  ['traceidratio', undefined, 1, false],
  ['parentbased_always_off', undefined, 0, true],
  ['parentbased_traceidratio', '0.5', 0.5, true],
] as const) {
  test(`the sampler ${sampler} with ${arg}`, t => {
    const variables = { ...collector, OTEL_TRACES_SAMPLER: sampler, OTEL_TRACES_SAMPLER_ARG: arg }
    t.like(telemetrySettings({}, variables)?.traces?.policy, { ratio, isParentBased })
  })
}

test('what is kept, how fine a trace is, and what upstreams are told', t => {
  const { policy } = telemetrySettings(
    { traceKeep: 'errors,slow:1.5s', traceLevel: 'filter' },
    { ...collector, OTEL_PROPAGATORS: 'tracecontext,b3multi' },
  )?.traces ?? { policy: undefined }
  t.deepEqual(policy?.keep, { errors: true, slowMs: 1500 })
  t.is(policy?.level, 'filter')
  t.deepEqual(policy?.propagation, { w3c: true, b3: false, b3Multi: true, baggage: false })
  const byVariable = telemetrySettings(
    {},
    { ...collector, SLUICE_TRACE_KEEP: 'slow:2', SLUICE_TRACE_LEVEL: 'event' },
  )
  t.deepEqual(byVariable?.traces?.policy.keep, { errors: false, slowMs: 2000 })
  t.is(byVariable?.traces?.policy.level, 'event')
})

for (const [flags, variables, message] of [
  [
    { otlp: 'collector:4318' },
    {},
    /--otlp wants the URL of a collector, like http:\/\/collector:4318, and is "collector:4318"/,
  ],
  [{}, { OTEL_EXPORTER_OTLP_ENDPOINT: 'here' }, /OTEL_EXPORTER_OTLP_ENDPOINT wants the URL/],
  [
    { otlp: 'http://c', traceSample: '2' },
    {},
    /--trace-sample wants a share from 0 \(none\) to 1 \(all\), and is "2"/,
  ],
  [{ otlp: 'http://c', traceSample: '50%' }, {}, /--trace-sample wants a share/],
  [{ otlp: 'http://c', traceLevel: 'fine' }, {}, /--trace-level wants message, filter or event/],
  [{ otlp: 'http://c', traceKeep: 'slow' }, {}, /--trace-keep wants errors, slow:<duration>/],
  [{ traceSample: '1' }, {}, /--trace-sample says what to trace, and nothing where to: add --otlp/],
  [
    {},
    { ...collector, OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' },
    /http\/protobuf or http\/json \(gRPC is not spoken/,
  ],
  [{}, { ...collector, OTEL_TRACES_SAMPLER: 'jaeger_remote' }, /OTEL_TRACES_SAMPLER wants always_on/],
  [
    {},
    { ...collector, OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: 'x' },
    /OTEL_TRACES_SAMPLER_ARG/,
  ],
  [{}, { ...collector, OTEL_PROPAGATORS: 'jaeger' }, /OTEL_PROPAGATORS wants tracecontext/],
  [
    {},
    { ...collector, OTEL_BSP_MAX_QUEUE_SIZE: '0' },
    /OTEL_BSP_MAX_QUEUE_SIZE wants a whole number from 1 on/,
  ],
  [{}, { ...collector, OTEL_TRACES_EXPORTER: 'zipkin' }, /OTEL_TRACES_EXPORTER wants otlp or none/],
  [{}, { ...collector, OTEL_EXPORTER_OTLP_HEADERS: 'novalue' }, /wants name=value pairs/],
  [{}, { ...collector, OTEL_EXPORTER_OTLP_COMPRESSION: 'zstd' }, /wants gzip or none/],
] as readonly (readonly [TelemetryFlags, Variables, RegExp])[]) {
  test(`refuses ${JSON.stringify({ ...flags, ...variables })}`, t => {
    const error = t.throws(() => telemetrySettings(flags, variables), { instanceOf: TrafficError })
    t.is(error?.code, 'BadOption')
    t.regex(error?.message ?? '', message)
  })
}
