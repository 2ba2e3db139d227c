import { existsSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort, LOAD_CORE, SERVER_CORE, type Server, startServer, versionOf } from '../harness/server.ts'
import { JSON_BODY, LARGE_BYTES, SMALL_BODY, TEXT_BODY } from './bodies.ts'
import { nginxOrigin, type Place } from './configs.ts'

/**
 * How one server of a workload is made. Paths of scripts are relative to bench/scripts/. `tracing` exports, by these
 * options; `mirror` is what becomes of the copies that it sends.
 */
export type Plan =
  | { readonly kind: 'nginx' | 'haproxy'; readonly config: (place: Place) => string }
  | { readonly kind: 'node'; readonly role: string }
  | {
      readonly kind: 'sluice'
      readonly script: string
      readonly transport: 'auto' | 'net'
      readonly tracing?: readonly string[]
      readonly mirror?: 'dead' | 'silent' | 'late'
    }
  | { readonly kind: 'direct' }

/** What all servers of a run share. */
export interface Surroundings {
  readonly directory: string
  /** The port and process of the origin. */
  readonly origin: number
  readonly originPid: number
}

export const SLUICE = fileURLToPath(new URL('../../bin/sluice.js', import.meta.url))
const SCRIPTS = fileURLToPath(new URL('../scripts/', import.meta.url))
const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))

/** How to start a plan; extra arguments go to Node, ahead of the program. */
export interface StartOptions {
  readonly name: string
  readonly plan: Exclude<Plan, { kind: 'direct' }>
  readonly around: Surroundings
  readonly env?: Readonly<Record<string, string>>
  readonly nodeArgs?: readonly string[]
}

/** Starts the server of a plan on the core under test. */
export async function startPlan({ name, plan, around, env, nodeArgs = [] }: StartOptions): Promise<Server> {
  const port = await freePort()
  const origin = `127.0.0.1:${around.origin}`
  const command = commandOf(plan, { port, origin, directory: around.directory }, nodeArgs)
  return startServer({
    name,
    port,
    core: SERVER_CORE,
    command,
    env: { PORT: String(port), ORIGIN: origin, ...env },
  })
}

function commandOf(plan: StartOptions['plan'], place: Place, nodeArgs: readonly string[]): string[] {
  switch (plan.kind) {
    case 'nginx':
      return ['nginx', '-p', place.directory, '-c', configFile(plan.config(place), place)]
    case 'haproxy':
      return ['haproxy', '-db', '-q', '-f', configFile(plan.config(place), place)]
    case 'node':
      return [process.execPath, ...nodeArgs, here('./node-server.ts'), plan.role]
    case 'sluice':
      return [
        process.execPath,
        ...nodeArgs,
        SLUICE,
        resolve(SCRIPTS, plan.script),
        '--threads=1',
        `--transport=${plan.transport}`,
        '--log-level=warn',
        ...(plan.tracing ?? []),
      ]
  }
}

function configFile(text: string, place: Place): string {
  const path = `${place.directory}/${place.port}.conf`
  writeFileSync(path, text)
  return path
}

/** The origin, beside the load generator: nginx where it is installed, else node:http. */
export async function startOrigin(directory: string): Promise<Server> {
  const port = await freePort()
  const launch = { name: 'origin', port, core: LOAD_CORE, env: { PORT: String(port) } }
  if (versionOf('nginx', '-v') === undefined) {
    return startServer({ ...launch, command: [process.execPath, here('./origin.ts')] })
  }
  writeFileSync(`${directory}/1m`, Buffer.alloc(LARGE_BYTES, 'x'))
  writeFileSync(`${directory}/json`, JSON_BODY)
  writeFileSync(`${directory}/text`, TEXT_BODY)
  const place: Place = { port, origin: '', directory }
  const config = configFile(nginxOrigin(place, SMALL_BODY), place)
  return startServer({ ...launch, command: ['nginx', '-p', directory, '-c', config] })
}

/** Where a logging proxy sends its batches. */
export async function startCollector(): Promise<Server> {
  const port = await freePort()
  const command = [process.execPath, here('./collector.ts')]
  return startServer({ name: 'collector', port, core: LOAD_CORE, command, env: { PORT: String(port) } })
}

/**
 * Where a mirroring proxy sends its copies. It shares a core with the load generator, which measures time: it runs only when
 * that has nothing to do.
 */
export async function startUseless(kind: 'silent' | 'late'): Promise<Server> {
  const port = await freePort()
  const command = ['chrt', '--idle', '0', process.execPath, here('./useless.ts'), kind]
  return startServer({ name: `${kind} mirror`, port, core: LOAD_CORE, command, env: { PORT: String(port) } })
}

/** Why this machine cannot run a plan, if it cannot. */
export function missing(plan: Plan): string | undefined {
  if (plan.kind === 'nginx' && versionOf('nginx', '-v') === undefined) return 'nginx is not installed'
  if (plan.kind === 'haproxy' && versionOf('haproxy', '-v') === undefined) return 'haproxy is not installed'
  if (plan.kind === 'sluice' && !existsSync(SLUICE)) return 'bin/sluice.js is not there'
  return undefined
}
