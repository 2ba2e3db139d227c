/**
 * What the Elasticsearch sink costs over a bare loop that only builds and sends the same bulk bytes, both to the strict server of
 * the tests and to one that takes everything unread, in a process of its own. Prints documents a second, and microseconds of CPU
 * for each document: of the thread that writes them, and of the whole process (packing runs in other threads).
 */

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { promisify } from 'node:util'
import { constants, gzip } from 'node:zlib'
import { Pool } from 'undici'
import type { SinkEntry } from '../../actors/sink.ts'
import { ThreadSinks } from '../../observability/sinks/thread-sinks.ts'
import { noLog } from '../../runtime/log.ts'
import { StrictElasticsearch } from '../../test/support/elasticsearch/index.ts'

const batch = 2000
const index = 'traffic'

/** A document of traffic with bodies of 2 KB. */
const documents = Array.from({ length: batch }, (_, n) =>
  Buffer.from(
    JSON.stringify({
      '@timestamp': new Date(1_795_000_000_000 + n).toISOString(),
      ecs: { version: '9.5.0' },
      event: { kind: 'event', category: ['web'], outcome: 'success', duration: 1_234_567 + n },
      http: {
        request: {
          method: 'POST',
          body: { bytes: 1024, content: `{"order":${n},"note":"${'lorem ipsum '.repeat(80)}"}` },
        },
        response: {
          status_code: 200,
          body: { bytes: 1024, content: `{"ok":true,"text":"${'dolor sit amet '.repeat(64)}"}` },
        },
      },
      url: { path: `/orders/${n}`, domain: 'shop.example', scheme: 'https' },
      source: { ip: '192.0.2.7', port: 40_000 + (n % 20_000) },
      user_agent: { original: 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36' },
      trace: { id: '0af7651916cd43dd8448eb211c80319c' },
    }),
  ),
)

/** Enough for a batch with its actions. */
const batchBytes = documents.reduce((sum, json) => sum + json.length + 64, 0)

if (process.argv[2] === 'strict') {
  const server = await StrictElasticsearch.start()
  process.send?.(server.port)
} else if (process.argv[2] === 'unread') {
  const answer = JSON.stringify({
    errors: false,
    items: Array.from({ length: batch }, () => ({ create: { status: 201 } })),
  })
  const server = createServer((request, response) => {
    request.on('end', () => response.setHeader('content-type', 'application/json').end(answer)).resume()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  process.send?.((server.address() as AddressInfo).port)
} else {
  for (const [server, total] of [
    ['unread', 100 * batch],
    ['strict', 20 * batch],
  ] as const)
    for (const compression of ['gzip', 'none'] as const) await compare(server, compression, total)
}

interface Cost {
  readonly perSecond: number
  readonly threadMicros: number
  readonly processMicros: number
}

async function compare(
  server: 'strict' | 'unread',
  compression: 'gzip' | 'none',
  total: number,
): Promise<void> {
  const child = fork(new URL(import.meta.url), [server])
  const [port] = (await once(child, 'message')) as [number]
  const url = `http://127.0.0.1:${port}`
  const best: Record<'bare' | 'sink', Cost | undefined> = { bare: undefined, sink: undefined }
  // The first round warms up.
  for (let round = 0; round < 3; round++) {
    for (const [name, run] of [
      ['bare', bareLoop],
      ['sink', throughSink],
    ] as const) {
      const cost = await measure(total, () => run(url, compression, total, `${name}-${round}`))
      if (round > 0 && cost.perSecond > (best[name]?.perSecond ?? 0)) best[name] = cost
    }
  }
  child.kill()
  const { bare, sink } = best as Record<'bare' | 'sink', Cost>
  const rounded = ({ perSecond, threadMicros, processMicros }: Cost): object => ({
    documentsPerSecond: Math.round(perSecond),
    threadMicros: Number(threadMicros.toFixed(2)),
    processMicros: Number(processMicros.toFixed(2)),
  })
  const share = Number((sink.perSecond / bare.perSecond).toFixed(2))
  const result = {
    bench: `sink to ${server}, ${compression}`,
    sink: rounded(sink),
    bare: rounded(bare),
    share,
  }
  process.stdout.write(`${JSON.stringify(result)}\n`)
}

async function measure(total: number, run: () => Promise<void>): Promise<Cost> {
  const [thread, whole, since] = [process.threadCpuUsage(), process.cpuUsage(), performance.now()]
  await run()
  const micros = ({ user, system }: NodeJS.CpuUsage): number => (user + system) / total
  return {
    perSecond: (total * 1000) / (performance.now() - since),
    threadMicros: micros(process.threadCpuUsage(thread)),
    processMicros: micros(process.cpuUsage(whole)),
  }
}

async function bareLoop(url: string, compression: string, total: number, name: string): Promise<void> {
  const pool = new Pool(url, { connections: 4 })
  const pack = promisify(gzip)
  let sent = 0
  const send = async (): Promise<void> => {
    while (sent < total) {
      const plain = Buffer.allocUnsafeSlow(batchBytes)
      let at = 0
      for (const json of documents) {
        at += plain.write(`{"create":{"_id":"${name}-${sent++}"}}\n`, at, 'latin1')
        plain.set(json, at)
        at += json.length
        plain[at++] = 10
      }
      const body =
        compression === 'gzip'
          ? await pack(plain.subarray(0, at), { level: constants.Z_BEST_SPEED })
          : plain.subarray(0, at)
      const headers = {
        'content-type': 'application/x-ndjson',
        ...(compression === 'gzip' && { 'content-encoding': 'gzip' }),
      }
      const answer = await pool.request({ method: 'POST', path: `/${index}/_bulk`, body, headers })
      await answer.body.dump()
    }
  }
  await Promise.all([send(), send(), send(), send()])
  await pool.destroy()
}

async function throughSink(url: string, compression: string, total: number, name: string): Promise<void> {
  const sinks = new ThreadSinks({ log: noLog, thread: 0, threads: 1 })
  const options = { node: url, index, compression, batchCount: batch, batchBytes: '1g', batchInterval: '1h' }
  const sink = sinks.open('elasticsearch', options, 'bench')
  let outcomes = 0
  const settled = (): void => void outcomes++
  for (let given = 0; given < total; ) {
    const entry: SinkEntry = {
      id: `${name}-${given}`,
      timeMs: given,
      json: documents[given % batch] as Buffer,
    }
    sink.write(entry, settled)
    given++
    if (sink.isCongested) await new Promise<void>(resolve => sink.awaitRelief(resolve))
  }
  await sink.close(60_000)
  const [row] = sinks.rows()
  if (row?.delivered !== total || outcomes !== total) throw new Error(`stored ${row?.delivered} of ${total}`)
}
