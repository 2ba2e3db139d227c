/** Takes batches of JSON lines over HTTP and counts them: GET answers how many lines arrived so far. */
import { createServer } from 'node:http'

let lines = 0
createServer((request, response) => {
  if (request.method === 'GET') {
    response.end(JSON.stringify({ lines }))
    return
  }
  let last = 10
  request.on('data', (chunk: Buffer) => {
    for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, at + 1)) lines++
    last = chunk[chunk.length - 1] ?? last
  })
  request.on('end', () => {
    if (last !== 10) lines++ // the last line of a batch need not be ended
    response.writeHead(204).end()
  })
}).listen(Number(process.env.PORT), '127.0.0.1')
