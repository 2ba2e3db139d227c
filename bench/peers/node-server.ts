/** What one writes with Node's own modules alone: the peer that shows what Node costs without Sluice. */
import { Agent, createServer, request } from 'node:http'
import { connect, createServer as createTcpServer } from 'node:net'
import { rewriteJSON } from './bodies.ts'
import { HELLO } from './configs.ts'

const role = process.argv[2]
const port = Number(process.env.PORT)
const [host = '127.0.0.1', originPort = '80'] = (process.env.ORIGIN ?? '').split(':')
const origin = { host, port: Number(originPort) }

switch (role) {
  case 'hello':
    createServer((_, response) => {
      response.setHeader('content-type', 'text/plain')
      response.end(HELLO)
    }).listen(port, '127.0.0.1')
    break
  case 'proxy':
    listenProxy(undefined)
    break
  case 'proxy-script':
    listenProxy('x-route')
    break
  case 'tcp':
    createTcpServer({ noDelay: true }, client => {
      const upstream = connect({ ...origin, noDelay: true })
      client.pipe(upstream).pipe(client)
      client.on('error', () => upstream.destroy())
      upstream.on('error', () => client.destroy())
    }).listen(port, '127.0.0.1')
    break
  case 'json':
    listenJSONProxy()
    break
  default:
    throw new Error(`role "${role}" is none of hello, proxy, proxy-script, tcp, json`)
}

function listenProxy(header: string | undefined): void {
  const agent = new Agent({ keepAlive: true, maxFreeSockets: 64 })
  createServer((incoming, response) => {
    const headers = incoming.headers
    if (header) headers[header] = `${headers.host}${incoming.url}`
    delete headers.connection
    const { method, url: path } = incoming
    const outgoing = request({ ...origin, method, path, headers, agent }, answer => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(response)
    })
    outgoing.on('error', () => {
      if (!response.headersSent) response.writeHead(502)
      response.end()
    })
    // A request without a body ends at once: piping nothing cost a sixth of the whole.
    if (incoming.headers['content-length'] || incoming.headers['transfer-encoding']) incoming.pipe(outgoing)
    else outgoing.end()
  }).listen(port, '127.0.0.1')
}

function listenJSONProxy(): void {
  const agent = new Agent({ keepAlive: true, maxFreeSockets: 64 })
  createServer((incoming, response) => {
    request({ ...origin, method: incoming.method, path: incoming.url, agent }, answer => {
      const chunks: Buffer[] = []
      answer.on('data', chunk => chunks.push(chunk))
      answer.on('end', () => {
        const body = rewriteJSON(Buffer.concat(chunks).toString())
        response.writeHead(200, {
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
        })
        response.end(body)
      })
    }).end()
  }).listen(port, '127.0.0.1')
}
