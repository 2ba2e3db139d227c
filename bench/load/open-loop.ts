/**
 * Open-loop load: a request leaves every 1/rate seconds whether or not the earlier ones were answered, so a server
 * that stalls is charged for every request that would have come meanwhile (no coordinated omission).
 *
 *   node bench/load/open-loop.ts --port=8000 --rate=1000 --seconds=2 [--path=/] [--connections=64] [--warmup=0.5]
 *
 * Prints one JSON object. A latency counts from the instant the request was due; only the generator's own lateness in
 * waking up (`latenessUs`) is taken off, and only when a connection was idle, as no server has part in that.
 */
import { createHistogram } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import { Connection } from './connection.ts'

const text = (fallback: string) => ({ type: 'string', default: fallback }) as const
const { values } = parseArgs({
  options: {
    port: text('8000'),
    path: text('/'),
    rate: text('1000'),
    seconds: text('2'),
    connections: text('64'),
    warmup: text('0.5'),
  },
})
const port = Number(values.port)
const seconds = Number(values.seconds)
const warmupSeconds = Number(values.warmup)
const intervalNs = 1e9 / Number(values.rate)
const warmups = Math.round((warmupSeconds * 1e9) / intervalNs)
const count = warmups + Math.round((seconds * 1e9) / intervalNs)
const request = Buffer.from(`GET ${values.path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`)

const latency = createHistogram({ lowest: 1, highest: 60_000_000_000, figures: 3 })
const lateness = createHistogram({ lowest: 1, highest: 60_000_000_000, figures: 3 })
/** Connections without a request, the one idle longest first. */
const idle: Connection[] = []
/** When the requests were due that found no idle connection. */
const waiting: number[] = []
let bad = 0
let answered = 0
let isClosing = false

const connections = new Set<Connection>()
for (let n = 0; n < Number(values.connections); n++) open()
for (let tries = 0; tries < 250 && idle.length < connections.size; tries++) await sleep(20)
if (idle.length === 0) throw new Error(`nothing accepts on port ${port}`)

const startNs = process.hrtime.bigint() + 20_000_000n
const now = () => Number(process.hrtime.bigint() - startNs)
const finished = Promise.withResolvers<void>()
const ticker = new Worker(new URL('./ticker.ts', import.meta.url), {
  workerData: { startNs, intervalNs, count },
})
ticker.on('message', onDue)
ticker.on('error', finished.reject)

await Promise.race([finished.promise, sleep((warmupSeconds + seconds + 2) * 1000)])
isClosing = true
for (const connection of connections) connection.close()
const us = (ns: number) => Math.round(ns / 100) / 10
const result = {
  // Warm-up included: what the server's CPU time is divided by.
  requests: answered,
  seconds: warmupSeconds + seconds,
  errors: bad + (count - answered),
  p50Us: us(latency.percentile(50)),
  p90Us: us(latency.percentile(90)),
  p99Us: us(latency.percentile(99)),
  p999Us: us(latency.percentile(99.9)),
  maxUs: us(latency.max),
  latenessUs: { p50: us(lateness.percentile(50)), p99: us(lateness.percentile(99)), max: us(lateness.max) },
}
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0))

function onDue(n: number): void {
  const dueNs = n * intervalNs
  const connection = idle.shift()
  if (!connection) {
    waiting.push(dueNs)
    return
  }
  const atNs = now()
  if (n >= warmups) lateness.record(Math.max(1, Math.round(atNs - dueNs)))
  connection.send(atNs)
}

function onAnswer(connection: Connection, status: number): void {
  answered++
  if (status !== 200) bad++
  const isMeasured = connection.fromNs >= warmups * intervalNs
  if (isMeasured) latency.record(Math.max(1, Math.round(now() - connection.fromNs)))
  take(connection)
  if (answered === count) finished.resolve()
}

/** An idle connection serves who waited longest, counted from when that request was due. */
function take(connection: Connection): void {
  const dueNs = waiting.shift()
  if (dueNs === undefined) idle.push(connection)
  else connection.send(dueNs)
}

function open(): void {
  connections.add(new Connection({ port, request, onOpen: take, onAnswer, onEnd }))
}

/** A connection that the server closed is replaced; the request that was on it stays unanswered. */
function onEnd(connection: Connection, wasOpen: boolean): void {
  connections.delete(connection)
  const at = idle.indexOf(connection)
  if (at !== -1) idle.splice(at, 1)
  if (wasOpen && !isClosing) open()
}
