/** The origin when nginx is not installed: a small answer at `/`, 1 MiB at `/1m`. */
import { createServer } from 'node:http'
import { LARGE_BYTES, SMALL_BODY } from './bodies.ts'

const small = Buffer.from(SMALL_BODY)
const large = Buffer.alloc(LARGE_BYTES, 'x')
createServer((request, response) => {
  const body = request.url === '/1m' ? large : small
  response.writeHead(200, { 'content-type': 'text/plain', 'content-length': body.length }).end(body)
}).listen(Number(process.env.PORT), '127.0.0.1')
