/**
 * Open-loop load: a request leaves every 1/rate seconds whether or not the earlier ones were answered, so a server
 * that stalls is charged for every request that would have come meanwhile (no coordinated omission).
 *
 *   echo '{ "ports": [8000], "rate": 1000, "seconds": 2 }' | node bench/load/open-loop.ts
 *
 * Each line that it reads is a load, and gives a line with the result for each server. Who wants figures below a millisecond
 * keeps it running: what a generator still compiles in its first seconds is more than that. Of several servers each gets
 * the rate, in turn: what the machine does to one it does to the others. A latency counts from the instant the request
 * was due; only the generator's own lateness in waking up (`latenessUs`) is taken off, and only when a connection was
 * idle, as no server has part in that.
 */
import { createHistogram } from 'node:perf_hooks'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { Connection } from './connection.ts'

interface Load {
  readonly ports: readonly number[]
  readonly path: string
  /** Requests per second to each server. */
  readonly rate: number
  readonly seconds: number
  /** To each server. */
  readonly connections: number
  /** Seconds before what counts. */
  readonly warmup: number
}

const usual = { path: '/', rate: 1000, seconds: 2, connections: 64, warmup: 0.5 }
const us = (ns: number) => Math.round(ns / 100) / 10
const requestsOf = ({ rate, seconds, warmup }: Load) => Math.round(warmup * rate) + Math.round(seconds * rate)

/** A server under load, with connections of its own. Times are nanoseconds of its clock, which begins with the load. */
class Server {
  private readonly load: Load
  private readonly port: number
  private readonly now: () => number
  private readonly count: number
  private readonly measuredFromNs: number
  private readonly request: Buffer
  private readonly latency = createHistogram({ lowest: 1, highest: 60_000_000_000, figures: 3 })
  private readonly lateness = createHistogram({ lowest: 1, highest: 60_000_000_000, figures: 3 })
  private readonly connections = new Set<Connection>()
  /** Connections without a request, the one idle longest first. */
  private readonly idle: Connection[] = []
  /** When the requests were due that found no idle connection. */
  private readonly waiting: number[] = []
  private bad = 0
  private answered = 0
  private isClosing = false
  private readonly finish = Promise.withResolvers<void>()
  readonly finished = this.finish.promise

  constructor(load: Load, port: number, now: () => number) {
    this.load = load
    this.port = port
    this.now = now
    this.count = requestsOf(load)
    this.measuredFromNs = load.warmup * 1e9
    this.request = Buffer.from(`GET ${load.path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`)
    for (let n = 0; n < load.connections; n++) this.open()
  }

  async connected(): Promise<void> {
    for (let tries = 0; tries < 250 && this.idle.length < this.connections.size; tries++) await sleep(20)
    if (this.idle.length === 0) throw new Error(`nothing accepts on port ${this.port}`)
  }

  due(dueNs: number): void {
    const connection = this.idle.shift()
    if (!connection) {
      this.waiting.push(dueNs)
      return
    }
    const atNs = this.now()
    if (dueNs >= this.measuredFromNs) this.lateness.record(Math.max(1, Math.round(atNs - dueNs)))
    connection.send(atNs)
  }

  private onAnswer(connection: Connection, status: number): void {
    this.answered++
    if (status !== 200) this.bad++
    if (connection.fromNs >= this.measuredFromNs)
      this.latency.record(Math.max(1, Math.round(this.now() - connection.fromNs)))
    this.take(connection)
    if (this.answered === this.count) this.finish.resolve()
  }

  /** An idle connection serves who waited longest, counted from when that request was due. */
  private take(connection: Connection): void {
    const dueNs = this.waiting.shift()
    if (dueNs === undefined) this.idle.push(connection)
    else connection.send(dueNs)
  }

  private open(): void {
    const { port, request } = this
    this.connections.add(
      new Connection({
        port,
        request,
        onOpen: connection => this.take(connection),
        onAnswer: (connection, status) => this.onAnswer(connection, status),
        onEnd: (connection, wasOpen) => this.onEnd(connection, wasOpen),
      }),
    )
  }

  /** A connection that the server closed is replaced; the request that was on it stays unanswered. */
  private onEnd(connection: Connection, wasOpen: boolean): void {
    this.connections.delete(connection)
    const at = this.idle.indexOf(connection)
    if (at !== -1) this.idle.splice(at, 1)
    if (wasOpen && !this.isClosing) this.open()
  }

  close(): void {
    this.isClosing = true
    for (const connection of this.connections) connection.close()
  }

  get result() {
    const { latency, lateness, load } = this
    return {
      // Warm-up included: what the server's CPU time is divided by.
      requests: this.answered,
      seconds: load.warmup + load.seconds,
      errors: this.bad + (this.count - this.answered),
      p50Us: us(latency.percentile(50)),
      p90Us: us(latency.percentile(90)),
      p99Us: us(latency.percentile(99)),
      p999Us: us(latency.percentile(99.9)),
      maxUs: us(latency.max),
      latenessUs: {
        p50: us(lateness.percentile(50)),
        p99: us(lateness.percentile(99)),
        max: us(lateness.max),
      },
    }
  }
}

async function run(load: Load): Promise<object[]> {
  const { ports, rate, seconds, warmup } = load
  let startNs = 0n
  const now = () => Number(process.hrtime.bigint() - startNs)
  const servers = ports.map(port => new Server(load, port, now))
  await Promise.all(servers.map(server => server.connected()))

  startNs = process.hrtime.bigint() + 20_000_000n
  const intervalNs = 1e9 / rate / servers.length
  const failed = Promise.withResolvers<never>()
  const ticker = new Worker(new URL('./ticker.ts', import.meta.url), {
    workerData: { startNs, intervalNs, count: requestsOf(load) * servers.length },
  })
  ticker.on('message', (n: number) => servers[n % servers.length]?.due(n * intervalNs))
  ticker.on('error', failed.reject)
  const inTime = new AbortController()
  await Promise.race([
    Promise.all(servers.map(({ finished }) => finished)),
    failed.promise,
    sleep((warmup + seconds + 2) * 1000, undefined, inTime),
  ]).finally(() => inTime.abort())
  await ticker.terminate()
  for (const server of servers) server.close()
  return servers.map(({ result }) => result)
}

for await (const line of createInterface(process.stdin))
  console.log(JSON.stringify(await run({ ...usual, ...(JSON.parse(line) as Load) })))
