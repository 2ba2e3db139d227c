/**
 * Takes batches of JSON lines over HTTP and counts them: GET answers how many lines arrived so far. Of bulk requests, as
 * Elasticsearch takes them, it counts documents, and says that it has stored them.
 */
import { createServer } from 'node:http'
import { createGunzip } from 'node:zlib'

const stored = (documents: number): string =>
  `{"took":1,"errors":false,"items":[${Array(documents).fill('{"create":{"status":201}}').join(',')}]}`

let lines = 0
createServer((request, response) => {
  if (request.method === 'GET') {
    response.end(JSON.stringify({ lines }))
    return
  }
  const isBulk = request.url?.includes('/_bulk') === true
  const body = request.headers['content-encoding'] === 'gzip' ? request.pipe(createGunzip()) : request
  let last = 10
  let came = 0
  body.on('data', (chunk: Buffer) => {
    for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, at + 1)) came++
    last = chunk[chunk.length - 1] ?? last
  })
  body.on('end', () => {
    if (last !== 10) came++ // the last line of a batch need not be ended
    // A document has two lines: what is to be done with it, and itself.
    lines += isBulk ? came / 2 : came
    if (!isBulk) response.writeHead(204).end()
    else
      response
        .writeHead(200, { 'content-type': 'application/json', 'x-elastic-product': 'Elasticsearch' })
        .end(stored(came / 2))
  })
}).listen(Number(process.env.PORT), '127.0.0.1')
