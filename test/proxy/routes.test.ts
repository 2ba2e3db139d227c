/** What spans and metrics say of the route of a request, where the script names it: on real sockets, in this process. */

import test from 'ava'
import { algo, Message, sluice } from '../../actors/index.ts'
import { statsRegistry } from '../../runtime/api/stats/registry.ts'
import { type Span, SpanKind } from '../../runtime/trace/span.ts'
import { statusOf } from '../support/http-text.ts'
import { serve, until } from '../support/proxy.ts'
import { recordSpans } from '../support/recorded-spans.ts'

const spans = recordSpans()

/** Requests that were counted for each route. */
function countsOn(port: number): Record<string, number> {
  const metric = statsRegistry.snapshot().find(({ name }) => name === 'http_server_request_duration_seconds')
  const route = metric?.labelNames.indexOf('http_route') ?? -1
  const counts: Record<string, number> = {}
  for (const { labels, counts: buckets } of metric?.series ?? [])
    if (labels[0] === String(port)) {
      const name = labels[route] ?? 'no label'
      counts[name] = (counts[name] ?? 0) + buckets.reduce((sum, each) => sum + each, 0)
    }
  return counts
}

const routeOf = ({ attributes }: Span): unknown => {
  const at = attributes.indexOf('http.route')
  return at < 0 ? undefined : attributes[at + 1]
}

test.serial(
  'the rule of a router is the route in the name of the span, its attributes, and the metrics',
  async t => {
    const router = new algo.URLRouter({ '/users/*': 'users', 'shop.example/cart': 'cart' })
    const script = sluice()
      .listen('127.0.0.1:0')
      .demuxHTTP({ route: head => router.findRule(head.headers.host, head.path) })
      .to($ => $.replaceMessage(() => new Message('ok')))
    const server = await serve(t, script)
    const client = await server.client()
    spans.length = 0
    for (const [host, path] of [
      ['x', '/users/17?a=1'],
      ['x', '/users/18'],
      ['shop.example', '/cart'],
      ['x', '/none'],
    ])
      await client.ask(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
    await until(() => spans.filter(span => span.kind === SpanKind.server).length === 4)
    const served = spans.filter(span => span.kind === SpanKind.server)
    t.deepEqual(
      served.map(span => [span.name, routeOf(span)]),
      [
        ['GET /users/*', '/users/*'],
        ['GET /users/*', '/users/*'],
        ['GET shop.example/cart', 'shop.example/cart'],
        ['GET', undefined],
      ],
    )
    t.deepEqual(countsOn(server.running.port), { '/users/*': 2, 'shop.example/cart': 1, '': 1 })
  },
)

test.serial(
  'the route is asked for with the context of the exchange, as what served it has left it',
  async t => {
    const script = sluice({ route: '' })
      .listen('127.0.0.1:0')
      .demuxHTTP({ route: (_, ctx) => ctx.route as string })
      .to($ =>
        $.handleMessageStart(({ head }, ctx) => {
          ctx.route = head.path.startsWith('/a') ? '/a*' : ''
        }).replaceMessage(msg => {
          if (msg.head.path === '/a/fails') throw new Error('as it was told')
          return new Message('ok')
        }),
      )
    const server = await serve(t, script)
    for (const path of ['/a/1', '/a/fails', '/b'])
      await (await fetch(`http://127.0.0.1:${server.running.port}${path}`)).text()
    t.deepEqual(countsOn(server.running.port), { '/a*': 2, '': 1 })
  },
)

test.serial(
  'more routes than anyone writes are counted as others, and a fault in the callback is no fault of the request',
  async t => {
    const script = sluice()
      .listen('127.0.0.1:0')
      .serveHTTP(new Message('ok'), {
        route: ({ path }) => {
          if (path === '/throw') throw new Error('as it was told')
          return path === '/number' ? (7 as unknown as string) : path
        },
      })
    const server = await serve(t, script)
    const client = await server.client()
    for (let i = 0; i < 120; i++) await client.ask(`GET /${i} HTTP/1.1\r\nHost: x\r\n\r\n`)
    for (const path of ['/throw', '/number'])
      t.is(statusOf(await client.ask(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`)), 200)
    const counts = countsOn(server.running.port)
    t.is(Object.keys(counts).length, 102)
    t.is(counts.other, 20)
    t.is(counts[''], 2)
  },
)
