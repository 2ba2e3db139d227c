/**
 * Where NATS is and who we are to it, as plain data that may go to a worker thread. Addresses come from `--nats`;
 * secrets should not be seen in a list of processes, so they may come from the environment as well.
 */

import { readFileSync } from 'node:fs'
import {
  type Authenticator,
  credsAuthenticator,
  type NodeConnectionOptions,
  nkeyAuthenticator,
} from '@nats-io/transport-node'
import { TrafficError } from '../../runtime/errors.ts'

export interface NatsSettings {
  /** As `host:port`. The client tries all of them, and those that they tell of. */
  readonly servers: readonly string[]
  /** True: no connection without TLS, as `tls://` asks for. */
  readonly isSecure: boolean
  readonly user?: string | undefined
  readonly password?: string | undefined
  readonly token?: string | undefined
  /** File of credentials: a JWT and a seed. Read at each connection, so that it may be renewed. */
  readonly credsFile?: string | undefined
  /** File with the seed of an nkey. */
  readonly nkeyFile?: string | undefined
  readonly caFile?: string | undefined
  readonly certFile?: string | undefined
  readonly keyFile?: string | undefined
}

/** What each variable of the environment sets. A test compares the guide with this table. */
export const natsVariables = {
  SLUICE_NATS_USER: 'user',
  SLUICE_NATS_PASSWORD: 'password',
  SLUICE_NATS_TOKEN: 'token',
  SLUICE_NATS_CREDS: 'credsFile',
  SLUICE_NATS_NKEY: 'nkeyFile',
  SLUICE_NATS_CA: 'caFile',
  SLUICE_NATS_CERT: 'certFile',
  SLUICE_NATS_KEY: 'keyFile',
} as const satisfies Record<string, keyof NatsSettings>

const defaultPort = '4222'

/**
 * Reads `--nats`: addresses with commas between, each `host`, `host:port`, `nats://…` or `tls://…`, with `user:password@`
 * or `token@` before the host if wanted. All servers of a cluster have the same users, so one address may say it for all.
 */
export function natsSettings(
  text: string,
  environment: Readonly<Record<string, string | undefined>> = {},
): NatsSettings {
  const urls = text
    .split(',')
    .map(part => part.trim())
    .filter(part => part !== '')
    .map(readUrl)
  if (urls.length === 0) throw new TrafficError('BadOption', 'no address of NATS is given')
  const secrets = new Set(urls.map(url => `${url.username}:${url.password}`).filter(text => text !== ':'))
  if (secrets.size > 1)
    throw bad(text, 'its addresses have different users: a cluster has the same ones everywhere')
  const named = urls.find(url => url.username !== '')
  const settings: Record<string, unknown> = {
    servers: urls.map(url => `${url.hostname}:${url.port === '' ? defaultPort : url.port}`),
    isSecure: urls.some(url => url.protocol === 'tls:'),
  }
  for (const [variable, field] of Object.entries(natsVariables)) {
    const value = environment[variable]
    if (value !== undefined && value !== '') settings[field] = value
  }
  if (named !== undefined) {
    const name = decodeURIComponent(named.username)
    if (named.password === '') settings.token = name
    else Object.assign(settings, { user: name, password: decodeURIComponent(named.password) })
  }
  return settings as unknown as NatsSettings
}

function readUrl(text: string): URL {
  const full = text.includes('://') ? text : `nats://${text}`
  let url: URL
  try {
    url = new URL(full)
  } catch (error) {
    throw bad(text, 'it is no URL', error)
  }
  for (const part of [url.username, url.password]) {
    try {
      decodeURIComponent(part)
    } catch (error) {
      throw bad(text, 'a % of its user or password begins no %XX; one that stands for itself is %25', error)
    }
  }
  if (url.protocol !== 'nats:' && url.protocol !== 'tls:')
    throw bad(text, `it begins with ${url.protocol}// instead of nats:// or tls://`)
  if (url.hostname === '') throw bad(text, 'it names no host')
  if (url.search !== '' || url.hash !== '' || (url.pathname !== '' && url.pathname !== '/'))
    throw bad(text, 'it has more than a host and a port')
  return url
}

const bad = (text: string, why: string, cause?: unknown): TrafficError =>
  new TrafficError('BadOption', `'${withoutSecret(text)}' is no address of NATS: ${why}`, cause)

const withoutSecret = (text: string): string => text.replace(/\/\/[^@/]*@/g, '//…@')

/** The same in the client's words. Reads files, so it may throw `BadOption`. */
export function connectionOptions(settings: NatsSettings): NodeConnectionOptions {
  const { user, password, token, credsFile, nkeyFile, caFile, certFile, keyFile } = settings
  const options: NodeConnectionOptions = { servers: [...settings.servers] }
  const authenticator = fileAuthenticator(credsFile, nkeyFile)
  if (authenticator !== undefined) options.authenticator = authenticator
  if (token !== undefined) options.token = token
  if (user !== undefined) options.user = user
  if (password !== undefined) options.pass = password
  const files = Object.entries({ caFile, certFile, keyFile }).filter(([, file]) => file !== undefined)
  for (const [, file] of files) read(file as string)
  if (settings.isSecure || files.length > 0) options.tls = Object.fromEntries(files)
  return options
}

function fileAuthenticator(credsFile?: string, nkeyFile?: string): Authenticator | undefined {
  if (credsFile !== undefined)
    return usable(
      credsAuthenticator(() => read(credsFile)),
      `'${credsFile}', named for NATS, holds no JWT and seed`,
    )
  if (nkeyFile === undefined) return undefined
  const seed = (): Uint8Array => Buffer.from(read(nkeyFile).toString('latin1').trim(), 'latin1')
  return usable(nkeyAuthenticator(seed), `'${nkeyFile}', named for NATS, holds no seed of an nkey`)
}

/** Tried at once: later its file would not be named. */
function usable(authenticator: Authenticator, lack: string): Authenticator {
  try {
    authenticator('nonce')
  } catch (error) {
    throw error instanceof TrafficError ? error : new TrafficError('BadOption', lack, error)
  }
  return authenticator
}

function read(file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code
    throw new TrafficError('BadOption', `'${file}', named for NATS, cannot be read: ${why}`, error)
  }
}
