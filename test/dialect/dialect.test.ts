/** Scripts in the manner of Pipy's, as they are, through the command line. */

import { fileURLToPath } from 'node:url'
import ava, { type ExecutionContext } from 'ava'
import { get, startService } from '../examples/support.ts'
import { Occurrences } from '../support/occurrences.ts'
import { runSluice, type SluiceProcess, startSluice } from '../support/sluice.ts'
import { TcpClient } from '../support/tcp-client.ts'

// A process each: one after the other.
const test = ava.serial

const pathOf = (name: string): string => fileURLToPath(new URL(`scripts/${name}.js`, import.meta.url))

async function start(
  t: ExecutionContext,
  name: string,
  env: NodeJS.ProcessEnv = {},
): Promise<{ sluice: SluiceProcess; port: number }> {
  const sluice = startSluice(t, [pathOf(name)], { env: { PORT: '127.0.0.1:0', ...env } })
  return { sluice, port: await sluice.port() }
}

test('hello: an expression with nothing but filters', async t => {
  const { port } = await start(t, 'hello')
  const response = await fetch(`http://127.0.0.1:${port}/`)
  t.is(await response.text(), 'Hi, there!\n')
  t.is(response.headers.get('content-length'), '11')
})

test('echo: variables are those of a connection, messages have a body even when none came', async t => {
  const { port } = await start(t, 'echo')
  const client = await TcpClient.connect(port)
  client.write('GET /a HTTP/1.1\r\nHost: x\r\n\r\n')
  t.regex(await client.read(/GET \/a /), /^HTTP\/1\.1 200 OK\r\n[\s\S]*x-visits: 1\r\n/)
  client.forget()
  client.write('POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody')
  t.regex(await client.read(/POST \/b body/), /^HTTP\/1\.1 201 Created\r\n[\s\S]*x-visits: 2\r\n/)
  const response = await fetch(`http://127.0.0.1:${port}/c`)
  t.is(response.headers.get('x-visits'), '1', 'another connection has its own')
  client.destroy()
})

test('tcp-proxy: older names of the events of a stream', async t => {
  const service = await startService(t, 'web')
  const { sluice, port } = await start(t, 'tcp-proxy', { TARGET: service.address })
  const client = await TcpClient.connect(port)
  const request = 'GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'
  client.write(request)
  await client.read(/web \/x/)
  client.end()
  await sluice.line(new RegExp(`received ${request.length} bytes from 127.0.0.1`))
  t.pass()
})

test('routing: targets by name in demux, mux and link', async t => {
  const [users, orders] = await Promise.all([startService(t, 'users'), startService(t, 'orders')])
  const { port } = await start(t, 'routing', { USERS: users.address, ORDERS: orders.address })
  t.is(await get(port, '/users/1'), 'users /users/1')
  t.is((await users.requests.next()).headers['x-route'], 'users')
  t.is(await get(port, '/orders/2'), 'orders /orders/2')
  t.is(await get(port, '/others'), 'No service\n')
})

test('routing: pipelined requests to two services are answered in their order', async t => {
  const [users, orders] = await Promise.all([
    startService(t, 'users', (_request, response) => setImmediate(() => response.end('late'))),
    startService(t, 'orders', (_request, response) => response.end('early')),
  ])
  const { port } = await start(t, 'routing', { USERS: users.address, ORDERS: orders.address })
  const client = await TcpClient.connect(port)
  client.write(
    ['/users/1', '/orders/1', '/none'].map(path => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`).join(''),
  )
  t.regex(await client.read(/No service/), /late[\s\S]*early[\s\S]*No service/)
  client.destroy()
})

test('balancing: configuration in a function around the expression, targets in turn', async t => {
  const [a, b] = await Promise.all([startService(t, 'a'), startService(t, 'b')])
  const { port } = await start(t, 'balancing', { TARGETS: `${a.address},${b.address}` })
  const answers = [await get(port), await get(port), await get(port), await get(port)]
  t.deepEqual([...answers].sort(), ['a / via 0', 'a / via 0', 'b / via 1', 'b / via 1'])
})

test('logging: a task sends what forks have put together, in batches', async t => {
  const service = await startService(t, 'shop')
  const batches = new Occurrences<readonly Record<string, unknown>[]>()
  const collector = await startService(t, 'collector', (request, response) => {
    let text = ''
    request.setEncoding('utf8').on('data', piece => {
      text += piece
    })
    request.on('end', () => {
      batches.add(JSON.parse(text))
      response.end()
    })
  })
  const { port } = await start(t, 'logging', { SERVICE: service.address, COLLECTOR: collector.address })
  const paths = Array.from({ length: 20 }, (_, i) => `/item/${i}`)
  await Promise.all(paths.map(path => get(port, path, { method: 'POST', body: `order ${path}` })))
  const records: Record<string, unknown>[] = []
  while (records.length < paths.length) records.push(...(await batches.next()))
  for (const path of paths) {
    const record = records.find(({ request }) => (request as { path: string }).path === path)
    t.like(record, {
      request: { method: 'POST', path, body: `order ${path}` },
      response: { status: 200, body: `shop ${path}` },
    })
  }
})

test('logging: later ticks come when those before have ended', async t => {
  const service = await startService(t, 'shop')
  const collector = await startService(t, 'collector')
  const { port } = await start(t, 'logging', { SERVICE: service.address, COLLECTOR: collector.address })
  for (let i = 0; i < 3; i++) {
    await get(port)
    t.is((await collector.requests.next()).url, '/log')
  }
})

test('a callback that fails answers its request with 500, and the log has its line', async t => {
  const { sluice, port } = await start(t, 'broken-callback')
  t.is((await fetch(`http://127.0.0.1:${port}/fail`)).status, 500)
  const { message } = await sluice.line(/RuntimeError/)
  t.true(message.includes(`${pathOf('broken-callback')}:12`), message)
  t.true(message.includes('? new Message(_settings.greeting)'), message)
  t.is(await get(port, '/other'), 'fine\n')
})

for (const [name, place, advice] of [
  ['broken-filter', 4, /decodeHttpRequst[\s\S]*decodeHTTPRequest/],
  ['broken-target', 5, /'anwser'; did you mean 'answer'/],
  ['broken-syntax', 7, /SyntaxError/],
] as const) {
  test(`${name}: the error has the line of the file, and what to do`, async t => {
    const { code, stderr } = await runSluice(t, [pathOf(name), '--verify'])
    t.is(code, 1)
    t.true(stderr.includes(`${pathOf(name)}:${place}:`), stderr)
    t.regex(stderr, advice)
  })
}
