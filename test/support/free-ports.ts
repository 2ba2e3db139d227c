import { once } from 'node:events'
import { createServer, type Server } from 'node:net'

const listen = async (port: number): Promise<Server> => {
  const server = createServer().listen(port, '0.0.0.0')
  await once(server, 'listening')
  return server
}

/** Below those that the kernel gives to outgoing connections (32768 and up on Linux): others take none by chance. */
const [lowest, highest] = [20_000, 32_000]

/**
 * The first of so many free ports in a row, for what listens on several and counts them up. Another process may take
 * one before they are used: where one port will do, listen on port 0 instead.
 */
export async function freePorts(count: number): Promise<number> {
  for (;;) {
    const held: Server[] = []
    const first = lowest + Math.floor(Math.random() * (highest - lowest))
    try {
      while (held.length < count) held.push(await listen(first + held.length))
      return first
    } catch {
      // One of them is taken: look elsewhere.
    } finally {
      await Promise.all(held.map(server => once(server.close(), 'close')))
    }
  }
}
