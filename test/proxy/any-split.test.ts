/** However the bytes of client and upstream are cut, and in whatever order the pieces come, both ends get the same. */

import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { Data, Message, sluice } from '../../actors/index.ts'
import { type HTTPText, readMessage } from '../support/http-text.ts'
import { type MemoryConnection, MemoryTransport } from '../support/memory-transport.ts'
import { runScript } from '../support/run-script.ts'
import { ask, reply } from '../support/upstream.ts'

interface Exchange {
  readonly request: string
  readonly response: string
  /** Both go on with bytes of their own: the response makes it a tunnel. */
  readonly tunnel?: readonly [client: string, upstream: string]
  /** The upstream closes its connection behind the response. */
  readonly isLast?: boolean
}

const post = (...lines: string[]): string => `POST /post HTTP/1.1\r\nHost: a\r\n${lines.join('\r\n')}`

const exchanges: readonly Exchange[] = [
  { request: ask('/get?a=b', 'Accept: */*', 'X-Empty:'), response: reply('hello', '200 OK', 'ETag: "x"') },
  { request: `\r\n${ask('/empty')}`, response: reply('') },
  { request: ask('/head').replace('GET', 'HEAD'), response: 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n' },
  { request: ask('/304'), response: 'HTTP/1.1 304 Not Modified\r\n\r\n' },
  { request: post('Content-Length: 11', '', 'hello\r\nGET '), response: reply('GET / HTTP/1.1\r\n\r\n') },
  {
    request: post('Transfer-Encoding: chunked', '', '5;x="y"', 'hello', '1', '!', '0', 'X-Sum: 6', '', ''),
    response:
      'HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n00a\r\n0123456789\r\n1\r\n!\r\n0\r\nX-Sum: 11\r\n\r\n',
  },
  {
    request: ask('/interim', 'Connection: X-Drop', 'X-Drop: 1'),
    response: `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n${reply('final')}`,
  },
  { request: ask('/close'), response: 'HTTP/1.1 200 OK\r\nX: until close\r\n\r\nhello', isLast: true },
  { request: ask('/lenient'), response: 'HTTP/1.1 200 OK\nX : y\nContent-Length: 2\n\nhi' },
]

const upgrade: Exchange = {
  request: ask('/upgrade', 'Connection: upgrade', 'Upgrade: echo'),
  response: 'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n',
  tunnel: ['GET / HTTP/1.1\r\n\r\nanything', '\0\r\n\r\nHTTP/1.1 200'],
}

/** What each end got: messages without their framing in chunks, which follows the reads, then bytes of a tunnel. */
interface Outcome {
  readonly atClient: readonly unknown[]
  readonly atUpstream: readonly unknown[]
}

const withoutFraming = ({ startLine, fields, body, trailers, isChunked }: HTTPText): unknown => ({
  startLine,
  fields,
  body,
  trailers,
  isChunked,
})

/** Takes messages off the front of a text as long as there are any. */
function takeMessages(text: string, methods: readonly (string | undefined)[]): unknown[] {
  const messages: unknown[] = []
  let rest = text
  for (const answers of methods) {
    for (;;) {
      const message = readMessage(rest, { answers, isEnded: false })
      if (message === undefined) return [...messages, rest]
      messages.push(withoutFraming(message))
      rest = rest.slice(message.length)
      if (answers === undefined || !/^HTTP\/1.1 1(?!01)/.test(message.startLine)) break
    }
  }
  return [...messages, rest]
}

const methodOf = ({ request }: Exchange): string => request.trimStart().split(' ')[0] as string

/** Cuts a text into pieces of the sizes given, over and over. */
function* piecesOf(text: string, sizes: readonly number[]): Generator<string> {
  for (let at = 0, i = 0; at < text.length; i++) {
    const size = sizes.length === 0 ? text.length : (sizes[i % sizes.length] as number)
    yield text.slice(at, at + size)
    at += size
  }
}

/** The side of the upstream: answers each whole request with the pieces of its response. */
class Answerer {
  atUpstream = ''
  private readonly pending: { connection: MemoryConnection; pieces: string[]; closes: boolean }[] = []
  private readonly read = new Map<MemoryConnection, number>()
  private next = 0
  private readonly exchanges: readonly Exchange[]
  private readonly sizes: readonly number[]

  constructor(exchanges: readonly Exchange[], sizes: readonly number[]) {
    this.exchanges = exchanges
    this.sizes = sizes
  }

  look(connections: readonly MemoryConnection[]): void {
    for (const connection of connections) {
      const exchange = this.exchanges[this.next]
      if (exchange === undefined) return
      const start = this.read.get(connection) ?? 0
      const request = readMessage(connection.written.slice(start), { isEnded: false })
      if (request === undefined) continue
      this.atUpstream += connection.written.slice(start, start + request.length)
      this.read.set(connection, start + request.length)
      this.next++
      const text = exchange.response + (exchange.tunnel?.[1] ?? '')
      this.pending.push({
        connection,
        pieces: [...piecesOf(text, this.sizes)],
        closes: exchange.isLast === true,
      })
    }
  }

  /** What came to the upstream behind whole requests. */
  rest(connections: readonly MemoryConnection[]): string {
    return connections.map(each => each.written.slice(this.read.get(each) ?? 0)).join('')
  }

  /** Sends one piece; false when there is none to be sent now. */
  send(): boolean {
    const [first] = this.pending
    if (first === undefined || first.connection.isPaused) return false
    const piece = first.pieces.shift()
    if (piece !== undefined) {
      first.connection.receive(piece)
      return true
    }
    this.pending.shift()
    if (first.closes) first.connection.receiveEnd()
    return true
  }
}

interface Cut {
  readonly which: readonly number[]
  readonly clientSizes: readonly number[]
  readonly upstreamSizes: readonly number[]
  /** Who sends next, over and over: true is the client. */
  readonly turns: readonly boolean[]
  readonly isUpgraded: boolean
}

async function run(t: ExecutionContext, script: () => unknown, cut: Cut): Promise<Outcome> {
  const transport = new MemoryTransport()
  const { host } = await runScript(t, script(), transport)
  const wanted = cut.which.map(i => exchanges[i % exchanges.length] as Exchange)
  if (cut.isUpgraded) wanted.push(upgrade)
  const client = transport.client()
  const text = wanted.map(({ request, tunnel }) => request + (tunnel?.[0] ?? '')).join('')
  const clientPieces = [...piecesOf(text, cut.clientSizes)]
  const answerer = new Answerer(wanted, cut.upstreamSizes)
  for (let i = 0, isStill = 0; isStill < 3; i++) {
    const isClients = cut.turns.length === 0 || cut.turns[i % cut.turns.length]
    let hasMoved = false
    if (isClients && !client.isPaused && clientPieces.length > 0) {
      client.receive(clientPieces.shift() as string)
      hasMoved = true
    } else {
      answerer.look(transport.outbound)
      hasMoved = answerer.send()
      if (!hasMoved && !client.isPaused && clientPieces.length > 0) {
        client.receive(clientPieces.shift() as string)
        hasMoved = true
      }
    }
    await new Promise(resolve => setImmediate(resolve))
    isStill = hasMoved ? 0 : isStill + 1
  }
  host.stop()
  return {
    atClient: takeMessages(client.written.replace(/\r\nDate: [^\r]*/g, ''), wanted.map(methodOf)),
    atUpstream: [
      ...takeMessages(
        answerer.atUpstream,
        wanted.map(() => undefined),
      ),
      answerer.rest(transport.outbound),
    ],
  }
}

const cuts = fc.record({
  which: fc.array(fc.nat(exchanges.length - 1), { minLength: 1, maxLength: 6 }),
  clientSizes: fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 8 }),
  upstreamSizes: fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 8 }),
  turns: fc.array(fc.boolean(), { maxLength: 12 }),
  isUpgraded: fc.boolean(),
})

const scripts: Readonly<Record<string, () => unknown>> = {
  'demuxHTTP, muxHTTP and connect': () =>
    sluice()
      .listen('192.0.2.2:2')
      .demuxHTTP()
      .to($ => $.muxHTTP().to($ => $.connect('192.0.2.1:1'))),
  'a script that looks at everything': () =>
    sluice()
      .listen('192.0.2.2:2')
      .demuxHTTP()
      .to($ =>
        $.handleMessageStart(({ head }) => void head.headers.host)
          .handleData(async () => {})
          .fork()
          .to($ => $.dummy())
          .muxHTTP()
          .to($ => $.connect('192.0.2.1:1'))
          .handleMessageStart(async ({ head }) => head.headers.etag)
          .handleData(() => {}),
      ),
  'a script that changes bodies': () =>
    sluice()
      .listen('192.0.2.2:2')
      .demuxHTTP()
      .to($ =>
        $.replaceMessageBody(body => new Data(`<${body}>`))
          .muxHTTP({ maxSessions: 1 })
          .to($ => $.connect('192.0.2.1:1'))
          .replaceMessageBody(async body => new Data(`<${body}>`)),
      ),
  'a script that answers by itself': () =>
    sluice()
      .listen('192.0.2.2:2')
      .serveHTTP(({ head, body }) => new Message(`${head.method} ${head.path} ${body}`)),
}

for (const [name, script] of Object.entries(scripts)) {
  test(`any split gives the same bytes at both ends: ${name}`, async t => {
    await fc.assert(
      fc.asyncProperty(cuts, async cut => {
        const whole = await run(t, script, { ...cut, clientSizes: [], upstreamSizes: [], turns: [] })
        const inPieces = await run(t, script, cut)
        t.deepEqual(inPieces, whole)
        t.true(whole.atClient.length > cut.which.length, 'every request was answered')
      }),
      { numRuns: 200 },
    )
  })
}
