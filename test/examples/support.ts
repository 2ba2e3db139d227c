import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'
import { Occurrences } from '../support/occurrences.ts'
import { type SluiceProcess, startSluice } from '../support/sluice.ts'

export const examplePath = (name: string): string =>
  fileURLToPath(new URL(`../../examples/${name}`, import.meta.url))

/** Starts an example through the command line, on a port that the kernel chooses. */
export async function startExample(
  t: ExecutionContext,
  name: string,
  env: NodeJS.ProcessEnv = {},
  args: readonly string[] = [],
): Promise<{ sluice: SluiceProcess; port: number }> {
  const sluice = startSluice(t, [examplePath(name), ...args], { env: { PORT: '0', ...env } })
  return { sluice, port: await sluice.port() }
}

/** A service behind the example: says its name and the path, and remembers what it was asked. */
export interface Service {
  readonly address: string
  readonly server: Server
  readonly requests: Occurrences<Pick<IncomingMessage, 'method' | 'url' | 'headers'>>
}

export async function startService(
  t: ExecutionContext,
  name: string,
  answer: RequestListener = (request, response) => response.end(`${name} ${request.url}`),
): Promise<Service> {
  const requests = new Occurrences<IncomingMessage>()
  const server = createServer((request, response) => {
    requests.add(request)
    answer(request, response)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, server, requests }
}

export const get = async (port: number, path = '/', init: RequestInit = {}): Promise<string> =>
  (await fetch(`http://127.0.0.1:${port}${path}`, init)).text()
