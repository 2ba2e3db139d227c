/**
 * What forking a proxied request to a pipeline on another node costs the thread that carries it, over the same exchange
 * without: from the fork filter to the frame, or the batch of a stream, that is handed to a bus which does nothing. A GET
 * with eight fields and a body of 128 bytes; 1, 8 or 64 of them in one round of the event loop, which is how many go in
 * one frame. In one case a callback reads a field of each head before the fork, in another one changes it. Transport and bus are in
 * memory, so that it is our JavaScript alone that is measured; credit is given between the rounds. Prints nanoseconds per request, the least
 * of many short rounds, so that some are not disturbed.
 *
 *     node bench/micro/cluster-fork.ts [name of the only case to run beside the plain one]
 */

import { Buffer } from 'node:buffer'
import { sluice } from '../../actors/index.ts'
import type { Bus } from '../../cluster/bus/bus.ts'
import { ClusterThread } from '../../cluster/cluster-thread.ts'
import { decodeFrame, encodeFrame, FrameKind } from '../../cluster/delivery/frame.ts'
import { DurableStreams } from '../../cluster/durable/durable-streams.ts'
import { wireVersions } from '../../cluster/membership/member.ts'
import { noLog } from '../../runtime/log.ts'
import { startMemoryHost } from '../harness/memory-host.ts'
import type { MemoryConnection } from '../harness/memory-transport.ts'
import { installPromptClock } from '../harness/prompt-clock.ts'

/** Counts what it is given, and answers with credit for all that was sent when it is asked to. */
class NullBus {
  readonly maxPayload = 1024 * 1024
  readonly isConnected = true
  readonly replicas = 1
  bytes = 0
  messages = 0
  private last: Uint8Array | undefined
  private hear: ((payload: Uint8Array) => void) | undefined

  readonly streams = {
    ensure: async () => {},
    publish: async (_subject: string, payload: Uint8Array) => {
      this.bytes += payload.length
      return { sequence: 1, isDuplicate: false }
    },
  }

  onState(): () => void {
    return () => {}
  }

  publish(_subject: string, payload: Uint8Array): boolean {
    this.bytes += payload.length
    this.last = payload
    return true
  }

  subscribe(subject: string, handler: (message: { payload: Uint8Array }) => void) {
    if (subject.includes('.re.')) this.hear = payload => handler({ payload })
    return { unsubscribe() {} }
  }

  async flush(): Promise<void> {}

  giveCredit(): void {
    if (this.last === undefined) return
    const frame = decodeFrame(this.last)
    this.last = undefined
    if (frame[0] !== FrameKind.messages) return
    const [, , flow, [lane], items] = frame
    if (lane === undefined) return
    const [index, , before, bytesBefore] = lane
    const messages = before + items.length
    const bytes = bytesBefore + items.length * (256 + body.length)
    this.messages = messages
    this.hear?.(encodeFrame([FrameKind.credit, flow, [[index, messages, 0, 0, bytes, messages]]]))
  }
}

// Frames are gathered for 8 ms, and go in the round that brings what is in them.
installPromptClock(10)

const body = 'x'.repeat(128)
const requestOf = (i: number): Buffer =>
  Buffer.from(
    `GET /catalog/items/${i}?page=2 HTTP/1.1\r\nHost: shop.example:8000\r\n` +
      'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36\r\n' +
      'Accept: application/json\r\nAccept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br\r\n' +
      `Cookie: session=${i.toString(36)}\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  )
const response = Buffer.from('HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok')
const connections = 64
const requests = Array.from({ length: 1024 }, (_, i) => requestOf(i))

let count = 0
const key = (): string => String(count++ & 15)
const log = { placement: 'cluster', role: 'log', key } as const
/** All to one shard, so that each round has batches that are full. */
const durable = { ...log, key: () => 'one', delivery: 'at-least-once' } as const

const scripts = {
  plain: sluice()
    .listen(8000)
    .demuxHTTP()
    .to($ => $.muxHTTP(() => 'origin').to($ => $.connect('127.0.0.1:8080'))),
  fork: sluice()
    .pipeline('log', log)
    .listen(8000)
    .demuxHTTP()
    .to($ =>
      $.fork()
        .to('log')
        .muxHTTP(() => 'origin')
        .to($ => $.connect('127.0.0.1:8080')),
    ),
  durable: sluice()
    .pipeline('log', durable)
    .listen(8000)
    .demuxHTTP()
    .to($ =>
      $.fork()
        .to('log')
        .muxHTTP(() => 'origin')
        .to($ => $.connect('127.0.0.1:8080')),
    ),
}

const answers = (pipeline: typeof log | typeof durable) =>
  sluice()
    .pipeline('log', pipeline)
    .listen(8000)
    .demuxHTTP()
    .to($ =>
      $.muxHTTP(() => 'origin')
        .to($ => $.connect('127.0.0.1:8080'))
        .fork()
        .to('log'),
    )

const reading = (change: (headers: { [name: string]: unknown }) => void, isForked: boolean) => {
  const start = sluice().pipeline('log', log).listen(8000).demuxHTTP()
  return start.to($ => {
    const read = $.handleMessageStart(({ head }) =>
      change((head as never as { headers: object }).headers as never),
    )
    return (isForked ? read.fork().to('log') : read)
      .muxHTTP(() => 'origin')
      .to($ => $.connect('127.0.0.1:8080'))
  })
}
let seen = 0
const read = (headers: { [name: string]: unknown }): void => {
  if (headers.host === 'shop.example:8000') seen++
}
const change = (headers: { [name: string]: unknown }): void => {
  headers['x-seen'] = 'yes'
}

interface Case {
  readonly name: string
  readonly script: unknown
  readonly perTurn: number
  /** Index of the case without the fork. */
  readonly base: number
}

const cases: Case[] = [
  { name: 'plain 1', script: scripts.plain, perTurn: 1, base: 0 },
  { name: 'plain 8', script: scripts.plain, perTurn: 8, base: 1 },
  { name: 'plain 64', script: scripts.plain, perTurn: 64, base: 2 },
  { name: 'fork 1', script: scripts.fork, perTurn: 1, base: 0 },
  { name: 'fork 8', script: scripts.fork, perTurn: 8, base: 1 },
  { name: 'fork 64', script: scripts.fork, perTurn: 64, base: 2 },
  { name: 'durable 64', script: scripts.durable, perTurn: 64, base: 2 },
  { name: 'read 64', script: reading(read, false), perTurn: 64, base: 7 },
  { name: 'read, fork 64', script: reading(read, true), perTurn: 64, base: 7 },
  { name: 'change 64', script: reading(change, false), perTurn: 64, base: 9 },
  { name: 'change, fork 64', script: reading(change, true), perTurn: 64, base: 9 },
  { name: 'answer fork 64', script: answers(log), perTurn: 64, base: 2 },
  { name: 'answer durable 64', script: answers(durable), perTurn: 64, base: 2 },
]

interface Running extends Case {
  readonly bus: NullBus
  readonly pairs: { readonly client: MemoryConnection; readonly upstream: MemoryConnection }[]
  best: number
}

async function start(each: Case): Promise<Running> {
  const bus = new NullBus()
  const asBus = bus as unknown as Bus
  const place = { cluster: 'bench', node: 'edge-1', thread: 0, life: 1, log: noLog }
  const durable = new DurableStreams({ ...place, bus: asBus })
  const cluster = new ClusterThread({ ...place, bus: asBus, tell() {} }, durable)
  const transport = await startMemoryHost(each.script, { cluster, roles: ['edge'] })
  const logger = { name: 'log-1', incarnation: 'abcdefghij', wires: wireVersions, pipelines: ['log'] }
  cluster.hear({ kind: 'cluster-members', members: [{ ...logger, threads: [1], state: 'serving' }] })
  const pairs: Running['pairs'] = []
  for (let i = 0; i < connections; i++) pairs.push(await transport.pair(requests[i] as Buffer))
  for (const { upstream } of pairs) upstream.feed(response)
  return { ...each, bus, pairs, best: Number.POSITIVE_INFINITY }
}

const nextRound = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

async function round({ bus, pairs, perTurn }: Running, exchanges: number): Promise<number> {
  const since = process.hrtime.bigint()
  for (let i = 0; i < exchanges; i += connections) {
    for (let k = 0; k < connections; k++) {
      pairs[k]?.client.feed(requests[(i + k) & 1023] as Buffer)
      if ((k + 1) % perTurn === 0) await nextRound()
    }
    for (let k = 0; k < connections; k++) pairs[k]?.upstream.feed(response)
  }
  const spent = Number(process.hrtime.bigint() - since)
  bus.giveCredit()
  return spent / exchanges
}

const only = process.argv[2]
const chosen = cases.filter(({ name }) => only === undefined || name === only)
const bases = new Set(chosen.map(({ base }) => base))
const wanted = cases.map((each, index) => (chosen.includes(each) || bases.has(index) ? each : undefined))
const running: (Running | undefined)[] = []
for (const each of wanted) running.push(each === undefined ? undefined : await start(each))
const rounds = Number(process.argv[3] ?? 300)
for (let i = 0; i < rounds; i++)
  for (const each of running)
    if (each !== undefined) each.best = Math.min(each.best, await round(each, 64 * 8))

for (const each of running) {
  if (each === undefined) continue
  const base = running[each.base]?.best ?? 0
  const added = Math.round(each.best - base)
  process.stdout.write(
    `${JSON.stringify({ bench: 'cluster-fork', case: each.name, unit: 'ns/request', best: Math.round(each.best), added, messages: each.bus.messages, bytes: each.bus.bytes })}\n`,
  )
}
if (seen < 0) process.stdout.write(`${seen}\n`)
process.exit(0)
