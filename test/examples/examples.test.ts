/** Each example does what its header says, run as a user runs it. The shop has a file of its own. */

import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { request as requestTLS } from 'node:https'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import ava from 'ava'
import { Hessian, RESP } from '../../runtime/api/index.ts'
import { Data } from '../../runtime/data.ts'
import * as dubbo from '../runtime/codec/dubbo/samples.ts'
import { makeFolder } from '../support/sluice.ts'
import { fetchOnce, TcpClient } from '../support/tcp-client.ts'
import { examplePath, get, startExample, startService } from './support.ts'

// A process each: one after the other.
const test = ava.serial

test('hello answers with the path that was asked for', async t => {
  const { port } = await startExample(t, 'hello.ts')
  t.is(await get(port, '/world'), 'Hello, /world\n')
})

test('echo gives back the bytes that it gets, and tells of clients that come and go', async t => {
  const { sluice, port } = await startExample(t, 'echo.ts')
  const client = await TcpClient.connect(port)
  client.write('one two')
  await client.read(/^one two$/)
  client.end(' three')
  t.is(await client.readToEnd(), 'one two three')
  await sluice.line(/127\.0\.0\.1 is here/)
  await sluice.line(/127\.0\.0\.1 has left/)
})

test('tcp-proxy passes bytes and the end of each direction both ways', async t => {
  const server = createServer({ allowHalfOpen: true }, socket => {
    socket.on('data', bytes => socket.write(`<${bytes}>`)).on('end', () => socket.end('bye'))
  }).listen(0)
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port: target } = server.address() as { port: number }
  const { port } = await startExample(t, 'tcp-proxy.ts', { TARGET: `127.0.0.1:${target}` })
  const client = await TcpClient.connect(port)
  client.write('hi')
  await client.read(/<hi>/)
  client.end()
  t.is(await client.readToEnd(), '<hi>bye')
})

test('http-proxy passes requests on, and says that it was the proxy when the target is down', async t => {
  const service = await startService(t, 'web')
  const { port } = await startExample(t, 'http-proxy.ts', { TARGET: service.address })
  t.is(await get(port, '/a?b=c'), 'web /a?b=c')
  service.server.closeAllConnections()
  service.server.close()
  const response = await fetch(`http://127.0.0.1:${port}/`)
  t.is(response.status, 502)
  t.regex(response.headers.get('proxy-status') ?? '', /^sluice; error=connection_refused/)
})

test('routing finds the target by path, then by host, and has none for the rest', async t => {
  const [api, web] = await Promise.all([startService(t, 'api'), startService(t, 'web')])
  const { port } = await startExample(t, 'routing.ts', { API: api.address, WEB: web.address })
  t.is(await get(port, '/api/users'), 'api /api/users')
  t.deepEqual(await fetchOnce(port, '/other'), { status: 404, body: 'No route\n' })
  const client = await TcpClient.connect(port)
  client.write('GET /page HTTP/1.1\r\nHost: www.example.com\r\nConnection: close\r\n\r\n')
  t.regex(await client.readToEnd(), /web \/page/)
})

test('balancing takes turns, and leaves a target that is down out', async t => {
  const [one, two] = await Promise.all([startService(t, 'one'), startService(t, 'two')])
  const { port } = await startExample(t, 'balancing.ts', { TARGETS: `${one.address},${two.address}` })
  const ask = async (): Promise<string> => (await get(port)).slice(0, 3)
  const answers = [await ask(), await ask(), await ask(), await ask()]
  t.deepEqual([...answers].sort(), ['one', 'one', 'two', 'two'])
  t.not(answers[0], answers[1])

  one.server.closeAllConnections()
  one.server.close()
  const statuses: number[] = []
  for (let i = 0; i < 6; i++) statuses.push((await fetch(`http://127.0.0.1:${port}/`)).status)
  t.is(statuses.filter(status => status === 502).length, 1, 'the one request that found out')
  t.is(statuses.filter(status => status === 200).length, 5)
})

test('tls-edge speaks TLS to clients, and tells the target so', async t => {
  const folder = makeFolder(t)
  execFileSync(
    'openssl',
    ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1'].concat(
      ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'],
      ['-keyout', join(folder, 'key.pem'), '-out', join(folder, 'cert.pem')],
    ),
    { stdio: 'ignore' },
  )
  const service = await startService(t, 'web')
  const { port } = await startExample(t, 'tls-edge.ts', {
    TARGET: service.address,
    CERT: join(folder, 'cert.pem'),
    KEY: join(folder, 'key.pem'),
  })
  const request = requestTLS({
    port,
    servername: 'localhost',
    ca: readFileSync(join(folder, 'cert.pem')),
  }).end()
  const [response] = await once(request, 'response')
  t.is((await response.setEncoding('utf8').toArray()).join(''), 'web /')
  const { headers } = await service.requests.next()
  t.is(headers['x-forwarded-proto'], 'https')
  t.is(headers['x-forwarded-for'], '127.0.0.1')
})

test('fork-mirror sends a copy, and answers as soon as the target does', async t => {
  const target = await startService(t, 'target')
  // It never answers: nothing may wait for it.
  const mirror = await startService(t, 'mirror', () => {})
  const { port } = await startExample(t, 'fork-mirror.ts', { TARGET: target.address, MIRROR: mirror.address })
  t.is(await get(port, '/order', { method: 'POST', body: '{}' }), 'target /order')
  const copy = await mirror.requests.next()
  t.is(copy.url, '/order')
  t.is(copy.method, 'POST')
})

test('mirror tells where a candidate answers differently', async t => {
  const target = await startService(t, 'old')
  const candidate = await startService(t, 'new')
  const { sluice, port } = await startExample(t, 'mirror.ts', {
    TARGET: target.address,
    CANDIDATE: candidate.address,
    SHARE: '1',
  })
  t.is(await get(port, '/x'), 'old /x')
  t.regex((await sluice.line(/differs/)).message, /\/x differs: \[\{"at":"body"/)
})

test('log-traffic writes a document for each exchange', async t => {
  const target = await startService(t, 'fine')
  const { sluice, port } = await startExample(t, 'log-traffic.ts', { TARGET: target.address })
  t.is((await fetchOnce(port, '/x?password=1')).status, 200)
  sluice.signal('SIGTERM')
  t.is((await sluice.exited).code, 0)
  const [line] = sluice.stdout.trim().split('\n')
  t.like(JSON.parse(line as string), {
    url: { original: '/x?password=[redacted]' },
    http: { response: { status_code: 200 } },
    service: { name: 'shop' },
  })
})

test('node-log counts the requests of all threads in one place', async t => {
  const { sluice, port } = await startExample(t, 'node-log.ts', {}, ['--threads=2'])
  const requests = 20
  await Promise.all(Array.from({ length: requests }, () => fetchOnce(port, '/x')))
  await sluice.line(new RegExp(`Request ${requests} of this node: GET /x`))
  const counts = sluice.lines.seen.flatMap(line => /^Request (\d+)/.exec(line.message)?.[1] ?? [])
  t.deepEqual(
    counts,
    Array.from({ length: requests }, (_, i) => `${i + 1}`),
  )
  const threads = new Set(
    sluice.lines.seen.filter(line => /^Request/.test(line.message)).map(line => line.thread),
  )
  t.is(threads.size, 1)
})

test('batch-log writes what there is each second, and the rest when it is told to stop', async t => {
  const lines: string[] = []
  const [target, collector] = await Promise.all([
    startService(t, 'web'),
    startService(t, 'collector', (request, response) => {
      request.setEncoding('utf8').on('data', text => lines.push(...text.trimEnd().split('\n')))
      request.on('end', () => response.end())
    }),
  ])
  const env = { TARGET: target.address, COLLECTOR: collector.address }
  const { sluice, port } = await startExample(t, 'batch-log.ts', env, ['--threads=2'])
  await get(port, '/first')
  await collector.requests.next()
  await Promise.all(['/second', '/third'].map(path => fetchOnce(port, path)))
  sluice.signal('SIGTERM')
  t.is((await sluice.exited).code, 0)
  const paths = lines.map(line => (JSON.parse(line) as { path: string }).path)
  t.deepEqual(paths.sort(), ['/first', '/second', '/third'])
})

test('dubbo-to-json turns calls into requests, and the JSON answered into results', async t => {
  const service = await startService(t, 'web', (incoming, response) => {
    incoming
      .setEncoding('utf8')
      .toArray()
      .then(
        ([body]) => response.end(JSON.stringify({ got: JSON.parse(body) })),
        () => response.destroy(),
      )
  })
  const { port } = await startExample(t, 'dubbo-to-json.ts', { TARGET: service.address })
  const client = await TcpClient.connect(port)
  client.write(dubbo.heartbeat.toString('latin1'))
  const answer = dubbo.heartbeatAnswer.toString('latin1')
  t.is(await client.read(/N$/), answer)
  client.write(dubbo.request.toString('latin1'))
  const bytes = Buffer.from((await client.read(/Z$/)).slice(answer.length), 'latin1')
  t.is(bytes.subarray(0, 12).toString('hex'), dubbo.response.subarray(0, 12).toString('hex'))
  t.deepEqual(Hessian.decode(new Data(bytes.subarray(16))), [1, { got: ['world'] }])
  const { url, method } = await service.requests.next()
  t.is(`${method} ${url}`, 'POST /org.apache.dubbo.demo.DemoService/sayHello')
})

test('xml-to-json changes bodies of requests, and refuses what is not XML', async t => {
  const service = await startService(t, 'web', (incoming, response) => {
    incoming.pipe(response)
  })
  const { port } = await startExample(t, 'xml-to-json.ts', { TARGET: service.address })
  const body = '<user><name>Ada</name><tag>a</tag><tag>b</tag></user>'
  t.is(await get(port, '/', { method: 'POST', body }), '{"user":{"name":"Ada","tag":["a","b"]}}')
  const { headers } = await service.requests.next()
  t.is(headers['content-type'], 'application/json')
  const response = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body: '<user>' })
  t.is(response.status, 400)
})

test('redis passes commands on in their order, and answers some itself', async t => {
  // Stands for Redis: answers each command with its last word.
  const server = createServer(socket => {
    socket.on('data', bytes => {
      for (const command of RESP.decode(new Data(bytes)))
        socket.write(RESP.encode((command as Data[]).at(-1)).bytes())
    })
  }).listen(0)
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port: target } = server.address() as { port: number }
  const { port } = await startExample(t, 'redis.ts', { TARGET: `127.0.0.1:${target}` })
  const client = await TcpClient.connect(port)
  for (const command of [['GET', 'one'], ['FLUSHALL'], ['GET', 'two']])
    client.write(RESP.encode(command).toString())
  t.is(await client.read(/two\r\n/), '$3\r\none\r\n-ERR command refused by the proxy\r\n$3\r\ntwo\r\n')
})

test('throttling lets a client make so many requests per second, and the rest wait', async t => {
  const service = await startService(t, 'web')
  const { port } = await startExample(t, 'throttling.ts', { TARGET: service.address, RATE: '2' }, [
    '--threads=1',
  ])
  const begin = performance.now()
  const answered: number[] = []
  const ask = async (): Promise<void> => {
    t.is(await get(port, '/'), 'web /')
    answered.push(performance.now() - begin)
  }
  await Promise.all([ask(), ask(), ask()])
  t.true((answered[2] as number) > 300, `the third was answered after ${answered[2]} ms`)
})

test('compression goes by what the client reads, and leaves images alone', async t => {
  const text = 'hello '.repeat(1000)
  const service = await startService(t, 'web', (request, response) =>
    response.setHeader('content-type', request.url === '/a.png' ? 'image/png' : 'text/plain').end(text),
  )
  const { port } = await startExample(t, 'compression.ts', { TARGET: service.address })
  for (const [path, accepts, encoding] of [
    ['/', 'gzip, br', 'br'],
    ['/', 'gzip', 'gzip'],
    ['/', 'identity', null],
    ['/a.png', 'gzip', null],
  ] as const) {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      headers: { 'accept-encoding': accepts },
    })
    t.is(response.headers.get('content-encoding'), encoding)
    t.is(await response.text(), text)
  }
})

test('configuration is read from a file, and read again on SIGHUP', async t => {
  const [one, two] = await Promise.all([startService(t, 'one'), startService(t, 'two')])
  const config = join(makeFolder(t), 'config.json')
  writeFileSync(config, JSON.stringify({ routes: { '/a/*': one.address } }))
  const { sluice, port } = await startExample(t, 'configuration.ts', { CONFIG: config }, ['--log-level=info'])
  t.is(await get(port, '/a/x'), 'one /a/x')
  t.is(await get(port, '/b/x'), 'No route\n')
  writeFileSync(config, JSON.stringify({ routes: { '/b/*': two.address } }))
  sluice.signal('SIGHUP')
  await sluice.line(/^Reloaded/)
  t.is((await fetchOnce(port, '/b/x')).body, 'two /b/x', 'a connection from before keeps what it began with')
})

// Together: 'plugins/auth.ts', 'plugins/forward.ts' and 'plugins/timing.ts'.
test('plugins answer by themselves or pass the request on, and each sees every response', async t => {
  const service = await startService(t, 'web')
  const { port } = await startExample(t, 'plugins/main.ts', { TARGET: service.address, TOKEN: 'abc' })
  const denied = await fetch(`http://127.0.0.1:${port}/`)
  t.is(denied.status, 401)
  t.is(await denied.text(), 'Who are you?\n')
  t.regex(denied.headers.get('server-timing') ?? '', /^total;dur=/)
  const passed = await fetch(`http://127.0.0.1:${port}/x`, { headers: { authorization: 'Bearer abc' } })
  t.is(await passed.text(), 'web /x')
  t.regex(passed.headers.get('server-timing') ?? '', /^total;dur=/)
})

test('pipy/hello answers', async t => {
  const { port } = await startExample(t, 'pipy/hello.js')
  t.is(await get(port), 'Hi, there!\n')
})

test('pipy/proxy routes and balances', async t => {
  const names = ['api-1', 'api-2', 'web'] as const
  const [first, second, web] = await Promise.all(names.map(name => startService(t, name)))
  const { port } = await startExample(t, 'pipy/proxy.js', {
    API: `${first?.address},${second?.address}`,
    WEB: web?.address,
  })
  t.is(await get(port, '/page'), 'web /page')
  const answers = [await get(port, '/api/1'), await get(port, '/api/2')]
  t.deepEqual(answers.map(answer => answer.slice(0, 5)).sort(), ['api-1', 'api-2'])
})

test('every example has a test, says what it is, and fits a screen', t => {
  const tests = ['examples.test.ts', 'fleet.test.ts', 'tunnels.test.ts']
    .map(file => readFileSync(new URL(file, import.meta.url), 'utf8'))
    .join('\n')
  const folder = dirname(examplePath('hello.ts'))
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (!/\.[jt]s$/.test(name) || /^(shop|traffic-to-elasticsearch)\//.test(name)) continue
    const text = readFileSync(join(folder, name), 'utf8')
    t.true(tests.includes(`'${name}'`), `${name} has no test`)
    t.regex(text, /^(\/\*\*|\/\/)/, `${name} has no header`)
    t.true(text.split('\n').length <= 41, `${name} is longer than 40 lines`)
  }
})

test('static-files serves what is in its folder, and nothing beside it', async t => {
  const { port } = await startExample(t, 'static-files/main.ts')
  const page = await fetch(`http://127.0.0.1:${port}/`)
  t.is(page.headers.get('content-type'), 'text/html')
  t.regex(await page.text(), /It works/)
  t.is((await fetchOnce(port, '/../main.ts')).status, 404)
  t.is((await fetchOnce(port, '/%2e%2e/main.ts')).status, 404)
})
