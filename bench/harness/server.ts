import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { availableParallelism } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'

/** Everything under test runs on the first core; load generator, origin and collector share the second. */
export const SERVER_CORE = 0
export const LOAD_CORE = availableParallelism() > 1 ? 1 : 0

export interface Launch {
  readonly name: string
  readonly command: readonly string[]
  readonly core: number
  readonly env?: Readonly<Record<string, string>>
  /** The port that tells by accepting that the server is up. */
  readonly port: number
}

/** A process the harness started, and ends by its pid. */
export interface Server extends AsyncDisposable {
  readonly name: string
  readonly port: number
  readonly pid: number
  /** What the process wrote, the newest part of it. */
  readonly output: () => string
}

/** Enough for what --trace-deopt says in a few seconds. */
const OUTPUT_LIMIT = 2 ** 23

const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGTERM')
})

/** Starts a server on its core and waits until it accepts connections. */
export async function startServer(launch: Launch): Promise<Server> {
  const { command, args } = pinned(launch.core, launch.command)
  const child = spawn(command, args, {
    env: { ...process.env, ...launch.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  running.add(child)
  child.once('exit', () => running.delete(child))
  let text = ''
  const keep = (chunk: Buffer) => {
    text += chunk.toString()
    if (text.length > OUTPUT_LIMIT) text = text.slice(-OUTPUT_LIMIT / 2)
  }
  child.stdout.on('data', keep)
  child.stderr.on('data', keep)
  await once(child, 'spawn')
  const server: Server = {
    name: launch.name,
    port: launch.port,
    pid: child.pid as number,
    output: () => text,
    [Symbol.asyncDispose]: () => stop(child),
  }
  try {
    await accepting(launch.port, () => child.exitCode !== null || child.signalCode !== null)
  } catch (cause) {
    await stop(child)
    throw new Error(`${launch.name} did not start: ${(cause as Error).message}\n${text.slice(-1000)}`, {
      cause,
    })
  }
  return server
}

/** Runs a command to its end on a core; its standard output. */
export function runPinned(options: {
  core: number
  command: readonly string[]
  timeoutMs: number
}): Promise<string> {
  const { command, args } = pinned(options.core, options.command)
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const child = execFile(
    command,
    args,
    { timeout: options.timeoutMs, maxBuffer: 2 ** 26 },
    (error, out, err) => {
      running.delete(child)
      if (error) reject(new Error(`${options.command[0]} failed: ${error.message}\n${err}`, { cause: error }))
      else resolve(out)
    },
  )
  running.add(child)
  return promise
}

/** A port that was free a moment ago, chosen by the kernel. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('the kernel gave no port')
  return address.port
}

/** What a program answers to its version flag; nothing when it is not on the PATH. */
export function versionOf(command: string, ...args: string[]): string | undefined {
  // wrk answers with a failure status, nginx on standard error: only that it ran matters.
  const { error, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' })
  return error ? undefined : `${stdout}${stderr}`.trim()
}

function pinned(core: number, command: readonly string[]): { command: string; args: string[] } {
  return { command: 'taskset', args: ['-c', String(core), ...command] }
}

async function accepting(port: number, ended: () => boolean): Promise<void> {
  for (const deadline = performance.now() + 15_000; performance.now() < deadline; await sleep(20)) {
    if (ended()) throw new Error('it ended at once')
    const socket = connect(port, '127.0.0.1')
    const accepted = await Promise.race([
      once(socket, 'connect').then(() => true),
      once(socket, 'close').then(() => false),
    ]).catch(() => false)
    socket.destroy()
    if (accepted) return
  }
  throw new Error(`nothing accepts on port ${port} after 15 s`)
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  const killer = setTimeout(() => child.kill('SIGKILL'), 5000)
  await exited
  clearTimeout(killer)
}
