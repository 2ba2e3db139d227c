/** A service that a mirror had better not wait for: `silent` takes requests and never answers, `late` answers after a second. */
import { createServer as serveHTTP } from 'node:http'
import { createServer as serveTCP } from 'node:net'

const server =
  process.argv[2] === 'late'
    ? serveHTTP((_, response) => setTimeout(() => response.end('late'), 1000))
    : serveTCP(socket => socket.on('error', () => {}).resume())
server.listen(Number(process.env.PORT), '127.0.0.1')
