/** The origin when nginx is not installed: the same answers from the same paths. */
import { createServer } from 'node:http'
import { JSON_BODY, LARGE_BYTES, SMALL_BODY, TEXT_BODY } from './bodies.ts'

const bodies: Readonly<Record<string, Buffer>> = {
  '/': Buffer.from(SMALL_BODY),
  '/1m': Buffer.alloc(LARGE_BYTES, 'x'),
  '/json': Buffer.from(JSON_BODY),
  '/text': Buffer.from(TEXT_BODY),
}
createServer((request, response) => {
  const body = bodies[request.url ?? '']
  response
    .writeHead(body === undefined ? 404 : 200, {
      'content-type': 'text/plain',
      'content-length': body?.length ?? 0,
    })
    .end(body)
}).listen(Number(process.env.PORT), '127.0.0.1')
