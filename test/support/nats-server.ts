/**
 * Real nats-servers with JetStream, each a process of its own with its store in a folder for the time of the test. They can
 * be killed, stopped, continued and started again with the same port and store.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { ExecutionContext, TestFn } from 'ava'
import type { Bus } from '../../cluster/bus/bus.ts'
import { connectNats, type NatsBusOptions } from '../../cluster/bus/nats-bus.ts'
import { natsSettings } from '../../cluster/bus/nats-settings.ts'
import { noLog } from '../../runtime/log.ts'
import { freePorts } from './free-ports.ts'
import { systemEnv } from './system-programs.ts'

type Teardown = Pick<ExecutionContext, 'teardown'>

export interface NatsServerOptions {
  /** More of the server's own configuration: users, TLS, limits. */
  readonly config?: string
  /** False: a server as it is when nobody has asked for JetStream. */
  readonly jetStream?: boolean
}

export class NatsServer {
  readonly port: number
  readonly folder: string
  private readonly configFile: string
  private process: ChildProcess | undefined

  constructor(port: number, folder: string, configFile: string) {
    this.port = port
    this.folder = folder
    this.configFile = configFile
  }

  /** For `--nats`. */
  get url(): string {
    return `nats://127.0.0.1:${this.port}`
  }

  get pid(): number {
    return this.process?.pid as number
  }

  /** Starts it, or starts it again with the port and the store that it had. Resolves when it takes connections. */
  async start(): Promise<void> {
    const log = join(this.folder, 'server.log')
    const child = spawn('nats-server', ['-c', this.configFile, '-l', log], {
      stdio: 'ignore',
      env: systemEnv,
    })
    this.process = child
    // A test that runs out of time is ended without its teardown.
    const kill = (): void => void child.kill('SIGKILL')
    process.once('exit', kill)
    child.once('exit', () => process.off('exit', kill))
    let failure: string | undefined
    child.once('error', error => {
      failure = error.message
    })
    child.once('exit', code => {
      failure ??= `it ended with ${code}`
    })
    while (!(await this.takesConnections())) {
      if (failure !== undefined)
        throw new Error(`nats-server: ${failure}\n${await readFile(log, 'utf8').catch(() => '')}`)
      await pause(20)
    }
  }

  /** Takes other configuration while it runs, as `nats-server --signal reload` does. */
  async configure(config: string): Promise<void> {
    const before = await readFile(this.configFile, 'utf8')
    await writeFile(this.configFile, `${before.slice(0, before.indexOf(configMark))}${configMark}${config}\n`)
    process.kill(this.pid, 'SIGHUP')
  }

  /** As the kernel does when memory is short: nothing is said, nothing is written. */
  async kill(): Promise<void> {
    await this.end('SIGKILL')
  }

  /** As an operator does. */
  async shutDown(): Promise<void> {
    await this.end('SIGTERM')
  }

  /** It stands still: its connections stay open, and nothing is read from them. */
  stop(): void {
    process.kill(this.pid, 'SIGSTOP')
  }

  cont(): void {
    process.kill(this.pid, 'SIGCONT')
  }

  async remove(): Promise<void> {
    await this.end('SIGKILL')
    await rm(this.folder, { recursive: true, force: true })
  }

  private async end(signal: NodeJS.Signals): Promise<void> {
    const child = this.process
    this.process = undefined
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill(signal)
    await exited
  }

  private takesConnections(): Promise<boolean> {
    return new Promise(resolve => {
      const socket = connect(this.port, '127.0.0.1')
      socket.once('data', () => done(true))
      socket.once('error', () => done(false))
      const done = (is: boolean): void => {
        socket.destroy()
        resolve(is)
      }
    })
  }
}

/** One server with JetStream, gone when the test is over. */
export async function startNatsServer(t: Teardown, options: NatsServerOptions = {}): Promise<NatsServer> {
  const server = await makeServer(await freePorts(1), options.config ?? '', options.jetStream)
  t.teardown(() => server.remove())
  await server.start()
  return server
}

/** One server for all tests of a file: `const server = sharedNatsServer(test)`, then `server()` in a test. */
export function sharedNatsServer(test: TestFn, options: NatsServerOptions = {}): () => NatsServer {
  const ends: (() => unknown)[] = []
  let server: NatsServer | undefined
  test.before(async () => {
    server = await startNatsServer({ teardown: end => ends.push(end) }, options)
  })
  test.after.always(async () => {
    for (const end of ends) await end()
  })
  return () => server as NatsServer
}

/** Servers that are one cluster and keep each stream on as many of them as is asked for. */
export interface NatsCluster {
  readonly servers: readonly NatsServer[]
  /** All addresses, for `--nats`. */
  readonly url: string
  /** The server that leads JetStream's own decisions. */
  metaLeader(): Promise<NatsServer>
  /** The server that leads this stream. */
  streamLeader(stream: string): Promise<NatsServer>
}

export async function startNatsCluster(t: Teardown, count = 3): Promise<NatsCluster> {
  const first = await freePorts(count * 3)
  const routes = Array.from({ length: count }, (_, i) => `nats://127.0.0.1:${first + count + i}`)
  const servers = await Promise.all(
    routes.map((_, i) =>
      makeServer(
        first + i,
        `server_name: n${i}
         http: "127.0.0.1:${first + 2 * count + i}"
         cluster { name: test, listen: "127.0.0.1:${first + count + i}", routes: [${routes.join(', ')}] }`,
      ),
    ),
  )
  for (const server of servers) t.teardown(() => server.remove())
  await Promise.all(servers.map(server => server.start()))

  /** What the monitoring port of the first server that answers says of JetStream. */
  const ask = async (query: string): Promise<JetStreamView> => {
    for (let i = 0; ; i = (i + 1) % count) {
      try {
        const answer = await fetch(`http://127.0.0.1:${first + 2 * count + i}/jsz?${query}`, {
          signal: AbortSignal.timeout(500),
        })
        return (await answer.json()) as JetStreamView
      } catch {
        await pause(20)
      }
    }
  }
  const named = (name: string | undefined): NatsServer | undefined => servers[Number(name?.slice(1))]
  const leader = async (find: () => Promise<string | undefined>): Promise<NatsServer> => {
    for (;;) {
      const server = named(await find())
      if (server !== undefined) return server
      await pause(50)
    }
  }
  const cluster: NatsCluster = {
    servers,
    url: servers.map(server => server.url).join(','),
    metaLeader: () => leader(async () => (await ask('')).meta_cluster?.leader),
    streamLeader: stream =>
      leader(async () => {
        const { account_details: accounts } = await ask('streams=true&accounts=true')
        const details = accounts?.flatMap(account => account.stream_detail ?? [])
        return details?.find(({ name }) => name === stream)?.cluster?.leader
      }),
  }
  await cluster.metaLeader()
  return cluster
}

interface JetStreamView {
  readonly meta_cluster?: { readonly leader?: string }
  readonly account_details?: readonly {
    readonly stream_detail?: readonly {
      readonly name: string
      readonly cluster?: { readonly leader?: string }
    }[]
  }[]
}

/** What follows is the test's own. */
const configMark = '# of the test\n'

async function makeServer(port: number, config: string, jetStream = true): Promise<NatsServer> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-nats-'))
  const file = join(folder, 'server.conf')
  await writeFile(
    file,
    `listen: "127.0.0.1:${port}"
     ${jetStream ? `jetstream { store_dir: "${folder}/store", max_mem: 256M, max_file: 16G }` : ''}
     ${configMark}${config}\n`,
  )
  return new NatsServer(port, folder, file)
}

/** A bus on these servers, closed when the test is over. */
export async function connectBus(
  t: Teardown,
  url: string,
  options: Partial<NatsBusOptions> = {},
): Promise<Bus> {
  const bus = await connectNats({ settings: natsSettings(url), name: 'test', log: noLog, ...options })
  t.teardown(() => bus.close())
  return bus
}
