/**
 * Prints a composition for Docker: the same fleet with the real Elasticsearch, and Grafana and Tempo to look at its traces.
 *
 *     node examples/traffic-to-elasticsearch/compose.ts > compose.yaml
 */

import { stringify } from 'yaml'

/** Of any image that has Sluice's checkout as its working folder, installed with `npm ci`. */
// biome-ignore lint/suspicious/noTemplateCurlyInString: Docker's own form of a variable
const image = '${SLUICE_IMAGE:-sluice:local}'
const script = 'examples/traffic-to-elasticsearch/traffic.ts'

const sluice = (node: string, role: string, more: object = {}): object => ({
  image,
  command: [
    'bin/sluice.js',
    script,
    '--nats=nats://nats:4222',
    '--cluster=shop',
    `--node=${node}`,
    `--roles=${role}`,
    '--admin-port=0.0.0.0:9000',
    '--otlp=http://collector:4318',
    '--trace-sample=0.1',
  ],
  environment: {
    PORT: '8000',
    ORIGIN: 'origin:80',
    ELASTICSEARCH: 'http://elasticsearch:9200',
    DEAD_LETTERS: '/var/lib/sluice/dead-letters.jsonl',
  },
  volumes: [`${node}:/var/lib/sluice`],
  depends_on: ['nats', 'elasticsearch'],
  stop_grace_period: '40s',
  ...more,
})

const collector = {
  receivers: { otlp: { protocols: { http: { endpoint: '0.0.0.0:4318' } } } },
  processors: { batch: {} },
  exporters: {
    otlphttp: { endpoint: 'http://tempo:4318' },
    prometheus: { endpoint: '0.0.0.0:8889' },
    debug: {},
  },
  service: {
    pipelines: {
      traces: { receivers: ['otlp'], processors: ['batch'], exporters: ['otlphttp'] },
      metrics: { receivers: ['otlp'], processors: ['batch'], exporters: ['prometheus'] },
      logs: { receivers: ['otlp'], processors: ['batch'], exporters: ['debug'] },
    },
  },
}

const tempo = {
  server: { http_listen_port: 3200 },
  distributor: { receivers: { otlp: { protocols: { http: { endpoint: '0.0.0.0:4318' } } } } },
  storage: { trace: { backend: 'local', local: { path: '/var/tempo' } } },
}

const dataSources = {
  apiVersion: 1,
  datasources: [
    { name: 'Tempo', uid: 'tempo', type: 'tempo', access: 'proxy', url: 'http://tempo:3200' },
    {
      name: 'Elasticsearch',
      type: 'elasticsearch',
      access: 'proxy',
      url: 'http://elasticsearch:9200',
      jsonData: {
        index: 'logs-traffic-default',
        timeField: '@timestamp',
        logMessageField: 'url.original',
        // A click on the trace of a document opens it.
        dataLinks: [{ field: 'trace.id', url: '$${__value.raw}', datasourceUid: 'tempo' }],
      },
    },
  ],
}

const file = (path: string, content: object) => ({ path, content: stringify(content) })
const configs = {
  collector: file('/etc/otelcol/config.yaml', collector),
  tempo: file('/etc/tempo.yaml', tempo),
  grafana: file('/etc/grafana/provisioning/datasources/sluice.yaml', dataSources),
}
const configOf = (name: keyof typeof configs): object[] => [{ source: name, target: configs[name].path }]

const composition = {
  name: 'sluice-traffic',
  services: {
    'edge-1': sluice('edge-1', 'edge', { ports: ['8001:8000'] }),
    'edge-2': sluice('edge-2', 'edge', { ports: ['8002:8000'] }),
    'log-1': sluice('log-1', 'log'),
    origin: { image: 'nginx:1' },
    nats: { image: 'nats:2', command: ['-js', '-sd', '/data'], volumes: ['nats:/data'] },
    elasticsearch: {
      image: 'docker.elastic.co/elasticsearch/elasticsearch:9.4.3',
      environment: {
        'discovery.type': 'single-node',
        'xpack.security.enabled': 'false',
        ES_JAVA_OPTS: '-Xms1g -Xmx1g',
      },
      ports: ['9200:9200'],
      volumes: ['elasticsearch:/usr/share/elasticsearch/data'],
    },
    collector: {
      image: 'otel/opentelemetry-collector-contrib:latest',
      command: ['--config=/etc/otelcol/config.yaml'],
      configs: configOf('collector'),
    },
    tempo: {
      image: 'grafana/tempo:latest',
      command: ['-config.file=/etc/tempo.yaml'],
      configs: configOf('tempo'),
      volumes: ['tempo:/var/tempo'],
    },
    grafana: {
      image: 'grafana/grafana:latest',
      environment: { GF_AUTH_ANONYMOUS_ENABLED: 'true', GF_AUTH_ANONYMOUS_ORG_ROLE: 'Admin' },
      ports: ['3000:3000'],
      configs: configOf('grafana'),
    },
  },
  configs: Object.fromEntries(Object.entries(configs).map(([name, { content }]) => [name, { content }])),
  volumes: Object.fromEntries(
    ['edge-1', 'edge-2', 'log-1', 'nats', 'elasticsearch', 'tempo'].map(name => [name, {}]),
  ),
}

process.stdout.write(stringify(composition))
