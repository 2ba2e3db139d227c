import { jsonLoad } from './harness/json-load.ts'
import { hostsOfLoad } from './harness/many-hosts.ts'
import { thinkTime } from './harness/think-time.ts'
import { JSON_BODY, LARGE_BYTES, rewriteJSON, SMALL_BODY, TEXT_BODY } from './peers/bodies.ts'
import * as configs from './peers/configs.ts'
import type { Plan } from './peers/start.ts'

export type Metric = 'cpuUs' | 'threadCpuUs' | 'p50Ms' | 'p99Ms' | 'megabytesPerSecond' | 'requestsPerSecond'

/** What Sluice has promised of a workload, against the base of that workload in the same run. */
export type Target = {
  readonly metric: Metric
  readonly text: string
  /** Another server to be measured against than the base of the workload. */
  readonly against?: string
  /** The server that it was promised of; without it, every one of ours. */
  readonly server?: string
} & (
  | { readonly ratioAtMost: number }
  | { readonly ratioAtLeast: number }
  | { readonly differenceAtMost: number }
)

export interface Workload {
  readonly name: string
  readonly title: string
  readonly path: '/' | '/1m' | '/json' | '/text'
  /** Fields of the load's requests. */
  readonly headers?: Readonly<Record<string, string>>
  /** A script for the load generator, when its requests are not all the same. */
  readonly lua?: string
  /** What one answer must weigh: a fast error page is not a result. */
  readonly bodyBytes: number
  /** Requests per second when the load is an open loop; else a closed one. */
  readonly rate?: number
  /** Of an open loop: each server is loaded beside the base, in turn. What the machine does to one it does to the other. */
  readonly isPaired?: boolean
  /** As many rounds as are asked for, so many times: for targets that are small differences. */
  readonly roundsTimes?: number
  /** And rounds as long as are asked for, so many times: for what few requests make, like a 99th percentile. */
  readonly secondsTimes?: number
  /**
   * Length of the warm-up round, when it is longer than the others: what several threads share, or what few requests take,
   * is compiled later. Documents of a traffic log cost 30 us in their second second and 3 us in their eighth (2026-11).
   */
  readonly warmUpSeconds?: number
  /** Sluice's scripts log to a collector, whose count must agree. */
  readonly collector?: boolean
  /** The server that ratios are taken to. */
  readonly base: string
  readonly servers: Readonly<Record<string, Plan>>
  readonly targets: readonly Target[]
}

const sluice = (script: string): Record<string, Plan> => ({
  sluice: { kind: 'sluice', script, transport: 'auto' },
  'sluice-net': { kind: 'sluice', script, transport: 'net' },
})
const traced = (share: string, ...more: string[]): Plan => ({
  kind: 'sluice',
  script: 'proxy.ts',
  transport: 'auto',
  tracing: [`--trace-sample=${share}`, ...more],
})
const mirrored = (mirror: 'dead' | 'silent' | 'late'): Plan => ({
  kind: 'sluice',
  script: 'mirror.ts',
  transport: 'auto',
  mirror,
})
const nginx = (config: (place: configs.Place) => string): Plan => ({ kind: 'nginx', config })
const haproxy = (config: (place: configs.Place) => string): Plan => ({ kind: 'haproxy', config })
const node = (role: string): Plan => ({ kind: 'node', role })

const small = { path: '/', bodyBytes: SMALL_BODY.length } as const
const cpu = (ratioAtMost: number): Target => ({ metric: 'cpuUs', text: 'CPU per request', ratioAtMost })

/** A traffic log, and the proxy without. */
const logged = {
  path: '/json',
  bodyBytes: JSON_BODY.length,
  collector: true,
  warmUpSeconds: 10,
  base: 'sluice',
  servers: {
    sluice: { kind: 'sluice', script: 'proxy.ts', transport: 'auto' },
    'sluice-log': { kind: 'sluice', script: 'log-elasticsearch.ts', transport: 'auto' },
  },
} satisfies Partial<Workload>

export const WORKLOADS: readonly Workload[] = [
  {
    name: 'proxy',
    title: 'Reverse proxy, small response',
    ...small,
    base: 'nginx',
    servers: {
      nginx: nginx(configs.nginxProxy),
      haproxy: haproxy(configs.haproxyProxy),
      'node:http': node('proxy'),
      ...sluice('proxy.ts'),
    },
    targets: [cpu(1.1), { metric: 'p99Ms', text: 'p99 latency', ratioAtMost: 1.5 }],
  },
  {
    name: 'proxy-script',
    title: 'The same; a callback reads path and host and sets one header',
    ...small,
    base: 'nginx',
    servers: {
      nginx: nginx(configs.nginxProxyHeader),
      haproxy: haproxy(configs.haproxyProxyHeader),
      'node:http': node('proxy-script'),
      ...sluice('proxy-script.ts'),
    },
    targets: [cpu(1.35)],
  },
  {
    name: 'hello',
    title: 'Answering without an upstream',
    path: '/',
    bodyBytes: configs.HELLO.length,
    base: 'nginx',
    servers: {
      nginx: nginx(configs.nginxHello),
      haproxy: haproxy(configs.haproxyHello),
      'node:http': node('hello'),
      ...sluice('hello.ts'),
    },
    targets: [cpu(1.25)],
  },
  {
    name: 'tcp',
    title: 'TCP relay',
    ...small,
    base: 'haproxy',
    servers: { haproxy: haproxy(configs.haproxyTcp), 'node:net': node('tcp'), ...sluice('tcp.ts') },
    targets: [cpu(1)],
  },
  {
    name: 'log',
    title: 'Proxy that logs request and response with bodies, against a plain nginx proxy',
    ...small,
    collector: true,
    base: 'nginx',
    servers: { nginx: nginx(configs.nginxProxy), ...sluice('log.ts') },
    targets: [cpu(1.8)],
  },
  {
    name: 'log-elasticsearch',
    title: 'Proxy that writes each exchange, with 1 KiB of JSON each way, to Elasticsearch: both at one rate',
    ...logged,
    lua: jsonLoad + thinkTime(6),
    roundsTimes: 3,
    targets: [
      {
        metric: 'threadCpuUs',
        text: 'CPU per request of the thread that carries it',
        differenceAtMost: 8,
        server: 'sluice-log',
      },
    ],
  },
  {
    name: 'log-elasticsearch-limit',
    title: 'The same, as fast as each of them goes',
    ...logged,
    lua: jsonLoad,
    targets: [],
  },
  {
    name: 'trace',
    title: 'Proxy with tracing: compiled in and never chosen, of 1 % of the requests, of all',
    ...small,
    roundsTimes: 4,
    warmUpSeconds: 10,
    base: 'sluice',
    servers: {
      sluice: { kind: 'sluice', script: 'proxy.ts', transport: 'auto' },
      'sluice-trace-0': traced('0'),
      'sluice-trace-1': traced('0.01'),
      'sluice-trace-100': traced('1'),
      'sluice-trace-keep': traced('0', '--trace-keep=errors,slow:1s'),
    },
    targets: [
      { metric: 'cpuUs', text: 'CPU per request', ratioAtMost: 1.02, server: 'sluice-trace-0' },
      { metric: 'cpuUs', text: 'CPU per request', ratioAtMost: 1.04, server: 'sluice-trace-1' },
      {
        metric: 'threadCpuUs',
        text: 'CPU per request of the thread that carries it',
        ratioAtMost: 1.6,
        server: 'sluice-trace-100',
      },
    ],
  },
  {
    name: 'large',
    title: '1 MiB responses through the proxy',
    path: '/1m',
    bodyBytes: LARGE_BYTES,
    base: 'nginx',
    servers: {
      nginx: nginx(configs.nginxProxy),
      'nginx-64k': nginx(configs.nginxProxyLarge),
      haproxy: haproxy(configs.haproxyProxy),
      'node:http': node('proxy'),
      ...sluice('proxy.ts'),
    },
    // nginx's default buffers of 4 KiB cost it more than half of what it can do here: both are shown, and aimed at.
    targets: [
      { metric: 'megabytesPerSecond', text: 'throughput', ratioAtLeast: 0.9 },
      { metric: 'megabytesPerSecond', text: 'throughput', ratioAtLeast: 0.9, against: 'nginx-64k' },
    ],
  },
  {
    name: 'json',
    title: 'Proxy that parses a JSON body of 1 KiB, changes it and writes it anew',
    path: '/json',
    bodyBytes: rewriteJSON(JSON_BODY).length,
    base: 'node:http',
    servers: { 'node:http': node('json'), ...sluice('json.ts') },
    targets: [],
  },
  {
    name: 'routes',
    title: 'Proxy that finds its upstream by host among 10,000 routes',
    ...small,
    lua: hostsOfLoad,
    headers: { Host: 'svc-0.shop.example' },
    base: 'nginx',
    servers: {
      nginx: nginx(configs.nginxRoutes),
      haproxy: haproxy(configs.haproxyRoutes),
      ...sluice('routes.ts'),
    },
    targets: [],
  },
  {
    name: 'gzip',
    title: 'Proxy that compresses answers of 16 KiB with gzip, level 1',
    path: '/text',
    bodyBytes: TEXT_BODY.length,
    headers: { 'Accept-Encoding': 'gzip' },
    base: 'nginx',
    servers: { nginx: nginx(configs.nginxGzip), haproxy: haproxy(configs.haproxyGzip), ...sluice('gzip.ts') },
    targets: [],
  },
  {
    name: 'mirror',
    title: 'Latency at 1,000 requests/s, all of which are mirrored to a service that is of no use',
    ...small,
    rate: 1000,
    isPaired: true,
    // Ten requests of a second make its 99th percentile.
    roundsTimes: 4,
    secondsTimes: 3,
    // What handles a thousand requests a second is compiled after some ten thousand.
    warmUpSeconds: 15,
    base: 'sluice',
    servers: {
      sluice: { kind: 'sluice', script: 'proxy.ts', transport: 'auto' },
      // The same once more: what two of a kind differ by is what the others may.
      'sluice-again': { kind: 'sluice', script: 'proxy.ts', transport: 'auto' },
      'mirror-dead': mirrored('dead'),
      'mirror-stalled': mirrored('silent'),
      'mirror-slow': mirrored('late'),
    },
    targets: [{ metric: 'p99Ms', text: 'p99 latency', ratioAtMost: 1.05 }],
  },
  {
    name: 'sidecar',
    title: 'Latency at 1,000 requests/s, open loop',
    ...small,
    rate: 1000,
    isPaired: true,
    roundsTimes: 2,
    secondsTimes: 3,
    warmUpSeconds: 15,
    base: 'nginx',
    servers: {
      direct: { kind: 'direct' },
      nginx: nginx(configs.nginxProxy),
      haproxy: haproxy(configs.haproxyProxy),
      'node:http': node('proxy'),
      ...sluice('proxy.ts'),
    },
    targets: [{ metric: 'p99Ms', text: 'p99 latency', differenceAtMost: 0.1 }],
  },
]
