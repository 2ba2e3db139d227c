/** W3C Baggage: what comes in goes on to upstreams, and with messages to other threads, nodes and programs. */

import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { connect } from '@nats-io/transport-node'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import type { WireMessage } from '../../../actors/kernel/wire.ts'
import { decodeFrame, encodeFrame, FrameKind, type MessagesFrame } from '../../../cluster/delivery/frame.ts'
import { TrafficError } from '../../../runtime/errors.ts'
import { parseBaggage } from '../../../runtime/trace/baggage.ts'
import { startNatsServer } from '../../support/nats-server.ts'
import { Occurrences } from '../../support/occurrences.ts'
import { OtlpReceiver } from '../../support/otlp-receiver.ts'
import { makeScript, startSluice } from '../../support/sluice.ts'

const from = (characters: string, minLength = 0): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom(...characters), minLength, maxLength: 12 })
const key = from("abcXYZ019!#$%&'*+-.^_`|~", 1)
const value = from("abc019!#$%&'()*+-./:<=>?@[]^_`{|}~")
const property = fc.oneof(
  key,
  fc.tuple(key, value).map(pair => pair.join('=')),
)
const member = fc
  .tuple(key, value, fc.array(property, { maxLength: 2 }))
  .map(([name, content, properties]) => [`${name}=${content}`, ...properties].join(';'))

test('a list that keeps the rules goes on whole, in its order', t => {
  fc.assert(
    fc.property(fc.array(member, { maxLength: 64 }), fc.constantFrom(',', ' , ', ',\t'), (members, comma) => {
      t.is(parseBaggage(members.join(comma)), members.join(','))
    }),
  )
})

test('whatever came, what goes on keeps the rules and the limits, and goes on as it is', t => {
  const anything = fc.oneof(
    fc.string(),
    fc.array(fc.oneof(member, fc.string(), fc.constantFrom('', 'a', '=b', 'a=b c', 'a="b"', 'a=b\r\nx: y')), {
      maxLength: 150,
    }),
    fc.array(fc.nat(9_000), { maxLength: 5 }).map(sizes => sizes.map(size => `k=${'x'.repeat(size)}`)),
  )
  fc.assert(
    fc.property(anything, given => {
      const baggage = parseBaggage(typeof given === 'string' ? given : given.join(','))
      t.regex(baggage, /^[ \t!-~]*$/)
      t.true(baggage.length <= 8192)
      t.true(baggage.split(',').length <= 64)
      t.is(parseBaggage(baggage), baggage)
    }),
    { numRuns: 500 },
  )
})

test('what has no room is left out whole, and what comes behind it may have some', t => {
  const many = Array.from({ length: 70 }, (_, i) => `k${i}=v`)
  t.is(parseBaggage(many.join(',')), many.slice(0, 64).join(','))
  const large = `large=${'x'.repeat(5_000)}`
  t.is(parseBaggage(`${large},${large},small=1`), `${large},small=1`)
  t.is(parseBaggage(`k=${'x'.repeat(8_190)}`).length, 8_192)
  t.is(parseBaggage(`k=${'x'.repeat(8_191)}`), '')
})

test('between nodes a message has its baggage as it was, or is none', t => {
  const traceparent = `00-${'1'.repeat(32)}-${'2'.repeat(16)}-01`
  fc.assert(
    fc.property(fc.oneof(member, fc.string(), fc.constant('x'.repeat(9_000)), fc.jsonValue()), baggage => {
      const trace = [traceparent, '', 0, baggage]
      const message = [{}, null, null, null, trace] as unknown as WireMessage
      const frame = encodeFrame([FrameKind.messages, 'sender', 1, [], [[0, 'k', message]]])
      const isValid = typeof baggage === 'string' && parseBaggage(baggage) === baggage
      if (isValid) t.is((decodeFrame(frame) as MessagesFrame)[4][0]?.[2][4]?.[3], baggage)
      else t.throws(() => decodeFrame(frame), { instanceOf: TrafficError })
    }),
  )
})

const script = `
import { Message, os, sluice } from 'sluice'
const upstream = os.env.UPSTREAM
const record = path => msg => new Message({ method: 'POST', path, headers: { host: 'log' } }, 'a record')
export default sluice()
  .listen('127.0.0.1:0', { role: 'edge' })
  .demuxHTTP().to($ => $
    .fork().to($ => $.replaceMessage(record('/node')).fork().to('ofNode'))
    .fork().to($ => $.replaceMessage(record('/cluster')).fork().to('ofCluster'))
    .fork().to($ => $.replaceMessage(record('')).publish('records'))
    .handleMessageStart(msg => { if (msg.head.path === '/without') delete msg.head.headers.baggage })
    .muxHTTP(() => '').to($ => $.connect(upstream)))
  .pipeline('ofNode', { placement: 'node' })
  .muxHTTP(() => '').to($ => $.connect(upstream))
  .pipeline('ofCluster', { placement: 'cluster', role: 'log', delivery: 'at-least-once' })
  .replaceMessage(record('/cluster'))
  .encodeHTTPRequest().connect(upstream).decodeHTTPResponse()
`

interface Received {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly count: number
}

async function startUpstream(t: ExecutionContext, received: Occurrences<Received>): Promise<string> {
  const server = createServer((request, response) => {
    const count = request.rawHeaders.filter(name => name.toLowerCase() === 'baggage').length
    received.add({ path: request.url ?? '', headers: request.headers, count })
    response.end('ok')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close().closeAllConnections())
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

test('baggage goes on with a request, its copies on other threads and nodes, and to subjects', async t => {
  const receiver = await OtlpReceiver.start(t)
  const { url } = await startNatsServer(t)
  const other = await connect({ servers: url })
  t.teardown(() => other.close())
  const records = new Occurrences<string | undefined>()
  other.subscribe('records', { callback: (_error, { headers }) => records.add(headers?.get('baggage')) })
  await other.flush()
  const received = new Occurrences<Received>()
  const upstream = await startUpstream(t, received)
  const file = makeScript(t, script)
  const node = (role: string) =>
    startSluice(
      t,
      [file, `--nats=${url}`, `--node=${role}-1`, `--roles=${role}`, '--threads=2', `--otlp=${receiver.url}`],
      {
        env: {
          UPSTREAM: upstream,
          OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
          OTEL_TRACES_SAMPLER_ARG: '0.5',
        },
      },
    )
  const edge = node('edge')
  node('log')
  const port = await edge.port()
  let requests = 0
  /** What came of one request: to the upstream, by path, and to the subject. */
  const send = async (path: string, headers: Record<string, string>): Promise<Map<string, Received>> => {
    const seen = new Map<string, Received>()
    await (await fetch(`http://127.0.0.1:${port}${path}`, { headers })).text()
    for (let i = 0; i < 3; i++) {
      const each = await received.next()
      seen.set(each.path, each)
    }
    requests++
    return seen
  }
  const traceparent = (flags: string): string => `00-${'1'.repeat(32)}-${'2'.repeat(16)}-${flags}`
  const baggage = 'tenant=7,user=ann%20b;hidden'
  for (const trace of [{}, { traceparent: traceparent('01') }, { traceparent: traceparent('00') }] as const) {
    const seen = await send('/with', { ...trace, baggage })
    t.deepEqual([...seen.keys()].sort(), ['/cluster', '/node', '/with'])
    for (const [path, { headers, count }] of seen) {
      t.is(headers.baggage, baggage, path)
      t.is(count, 1, path)
      t.regex((headers.traceparent as string | undefined) ?? '', /^00-[\da-f]{32}-[\da-f]{16}-0[01]$/, path)
    }
    t.is(await records.next(), baggage)
  }
  const taken = await send('/without', { baggage })
  t.is(taken.get('/without')?.count, 0, 'the script has taken it out')
  t.is(taken.get('/node')?.headers.baggage, baggage)
  const none = await send('/none', {})
  for (const [path, { count }] of none) t.is(count, 0, path)
  t.is(requests, 5)
})
