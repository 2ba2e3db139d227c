/**
 * The whole of it in one command, on one machine: an origin, two proxies, a logger, NATS, and a strict stand-in for
 * Elasticsearch. Clients ask all the time; the logger is killed on the way, Elasticsearch refuses a third of what it is
 * given, and takes some documents never. At the end the books must balance: the exit code says whether they do.
 *
 *     node examples/traffic-to-elasticsearch/run.ts
 */

import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { NodeStatus } from '../../cluster/admin/node-status.ts'
import { type Fault, StrictElasticsearch } from '../../test/support/elasticsearch/index.ts'
import { eventually } from '../../test/support/eventually.ts'
import { startNatsServer } from '../../test/support/nats-server.ts'
import { OtlpReceiver } from '../../test/support/otlp-receiver.ts'
import type { SluiceProcess } from '../../test/support/sluice.ts'
import { Cast, Clients } from './parts.ts'
import { drawTrace } from './trace-tree.ts'

const script = fileURLToPath(new URL('traffic.ts', import.meta.url))
const dataStream = 'logs-traffic-default'
const say = (text: string): void => console.log(text)

const cast = new Cast()
const folder = mkdtempSync(join(tmpdir(), 'sluice-traffic-'))
cast.teardown(() => rmSync(folder, { recursive: true, force: true }))
const deadLetters = join(folder, 'dead-letters.jsonl')

async function run(): Promise<boolean> {
  say('Starting NATS, an origin, a collector, and a strict stand-in for Elasticsearch')
  const nats = await startNatsServer(cast)
  const collector = await OtlpReceiver.start(cast)
  const elasticsearch = await StrictElasticsearch.start()
  cast.teardown(() => elasticsearch.stop())
  const origin = await cast.origin()
  const start = (name: string, role: string): SluiceProcess =>
    cast.sluice(
      [
        script,
        `--nats=${nats.url}`,
        '--cluster=shop',
        `--node=${name}`,
        `--roles=${role}`,
        '--heartbeat=200ms',
        '--admin-port=0',
        `--otlp=${collector.url}`,
        '--trace-sample=1',
      ],
      {
        env: {
          PORT: '0',
          ORIGIN: origin,
          ELASTICSEARCH: elasticsearch.url,
          DEAD_LETTERS: deadLetters,
          OTEL_BSP_SCHEDULE_DELAY: '100',
          OTEL_BSP_MAX_QUEUE_SIZE: '200000',
        },
      },
    )

  say('Starting two proxies and a logger')
  const edges = [start('edge-1', 'edge'), start('edge-2', 'edge')]
  const admins = await Promise.all(edges.map(adminOf))
  const ports = await Promise.all(edges.map(edge => edge.port()))
  const logger = start('log-1', 'log')
  await adminOf(logger)

  say('Clients ask, through both proxies')
  const clients = new Clients(ports, 8)
  await clients.more(500)

  say('Elasticsearch refuses a third of all items for now (429), and one in fifty for good (400)')
  elasticsearch.faults = [busy]
  await clients.more(1000)

  say('The logger is killed')
  logger.signal('SIGKILL')
  await logger.exited
  await clients.more(1000)

  say('Another logger starts')
  await adminOf(start('log-2', 'log'))
  await clients.more(1000)
  elasticsearch.faults = [picky]
  await clients.stop()

  const documents = () => elasticsearch.documents(dataStream)
  const settled = (): number => documents().size + lettersIn(deadLetters).size
  await eventually(settled, count => count === clients.answered + clients.failed, 30_000)

  const statuses = await Promise.all(admins.map(statusOf))
  const sent = statuses.flatMap(({ threads }) => threads.flatMap(({ edges }) => edges))
  const dropped = sent.flatMap(edge => Object.values(edge.dropped)).reduce((sum, count) => sum + count, 0)
  const stored = documents().size
  const put = lettersIn(deadLetters).size
  const exchanges = clients.answered + clients.failed
  say('')
  say(`exchanges proxied           ${row(exchanges)}   (failed: ${clients.failed})`)
  say(`  = documents stored        ${row(stored)}   (each once: what came again was refused by its id)`)
  say(`  + put aside               ${row(put)}   (with the reason, in ${deadLetters})`)
  say(`  + dropped                 ${row(dropped)}`)
  say('')

  say("The ledgers of the nodes that live, by 'sluice edges':")
  const edgesOf = cast.sluice(['edges', `--nats=${nats.url}`, '--cluster=shop'], {})
  await edgesOf.exited
  say(edgesOf.stdout)

  const { id, source } = pickExchange(documents())
  say(`One document, ${id}:\n${JSON.stringify(source, null, 2)}\n`)
  const { id: traceId } = source.trace as { id: string }
  const spans = await collector.spansWhen(all => all.filter(span => span.traceId === traceId).length >= 4)
  say(`Its trace, ${traceId}:\n${drawTrace(spans, traceId)}\n`)

  const balances = exchanges === stored + put + dropped && clients.failed === 0
  say(balances ? 'The books balance.' : 'The books do NOT balance.')
  return balances
}

const row = (count: number): string => String(count).padStart(7)

const adminOf = async (node: SluiceProcess): Promise<string> =>
  /http:\S+/.exec((await node.line(/^Admin on/)).message)?.[0] as string

const statusOf = async (admin: string): Promise<NodeStatus> =>
  (await (await fetch(`${admin}/api/v1/status`)).json()) as NodeStatus

/** An order: it has a body with something to hide. */
function pickExchange<D extends { source: Record<string, unknown> }>(documents: ReadonlyMap<string, D>): D {
  const all = [...documents.values()]
  return (all.find(({ source }) => (source.url as { path: string }).path === '/orders') ?? all[0]) as D
}

/** One in fifty documents is refused for good, each time that it is tried. */
const isBad = (id = ''): boolean => [...id].reduce((sum, char) => sum + char.charCodeAt(0), 0) % 50 === 0
const picky: Fault = () => ({ kind: 'items', statusOf: id => (isBad(id) ? 400 : undefined) })

let tried = 0

/** Of the others every third that is tried is refused for now. */
const busy: Fault = () => ({
  kind: 'items',
  statusOf: id => (isBad(id) ? 400 : ++tried % 3 === 0 ? 429 : undefined),
})

/** Ids of what was put aside. */
function lettersIn(path: string): Set<string> {
  if (!existsSync(path)) return new Set()
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1)
  return new Set(lines.map(line => (JSON.parse(line) as { id: string }).id))
}

try {
  process.exitCode = (await run()) ? 0 : 1
} finally {
  await cast.end()
}
