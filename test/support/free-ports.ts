import { once } from 'node:events'
import { type AddressInfo, createServer, type Server } from 'node:net'

const listen = async (port: number): Promise<Server> => {
  const server = createServer().listen(port, '0.0.0.0')
  await once(server, 'listening')
  return server
}

/**
 * The first of so many free ports in a row, for what listens on several and counts them up. Another process may take
 * one before they are used: where one port will do, listen on port 0 instead.
 */
export async function freePorts(count: number): Promise<number> {
  for (;;) {
    const held: Server[] = [await listen(0)]
    const first = ((held[0] as Server).address() as AddressInfo).port
    try {
      while (held.length < count) held.push(await listen(first + held.length))
      return first
    } catch {
      // One of them is taken: look elsewhere.
    } finally {
      for (const server of held) server.close()
    }
  }
}
