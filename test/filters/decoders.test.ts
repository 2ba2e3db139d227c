/** What holds for every filter that reads bytes: cuts do not matter, and bytes that are wrong end the stream, once, in words. */

import { Buffer } from 'node:buffer'
import zlib from 'node:zlib'
import type { ExecutionContext } from 'ava'
import test from 'ava'
import fc from 'fast-check'
import { Data, Message, MessageEnd, MessageStart, sluice } from '../../actors/index.ts'
import { encodeProxyHeader } from '../../runtime/codec/proxy-protocol/index.ts'
import { type Event, messageEnd } from '../../runtime/event.ts'
import * as dubbo from '../runtime/codec/dubbo/samples.ts'
import { cutAt, everyByte, noise, places, spoiled } from '../support/cuts.ts'
import { type TestProgram, testProgram } from '../support/stream.ts'

const main = () => sluice().pipeline('main')

/** A message of which the pieces are the body. */
const asMessage = (pieces: readonly Data[]): Event[] => [
  new MessageStart({ status: 200, headers: { 'content-encoding': 'gzip' } }),
  ...pieces,
  messageEnd,
]

interface Case {
  readonly name: string
  readonly script: () => unknown
  /** Inputs that it reads. */
  readonly valid: readonly (Buffer | string)[]
  /** How a stream ends that is wrong: ProtocolError where nothing is said. */
  readonly fault?: string
  /** What is fed instead of the bytes alone. */
  readonly wrap?: (pieces: readonly Data[]) => Event[]
}

const request = 'POST /a?b HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\nx: y\r\n\r\nabc'
const chunked = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n'
const body = Buffer.from('some text, some text, and some more text'.repeat(20))
const compressed = {
  gzip: zlib.gzipSync(body),
  deflate: zlib.deflateSync(body),
  brotli: zlib.brotliCompressSync(body),
  zstd: zlib.zstdCompressSync(body),
}
const address = {
  sourceAddress: '192.0.2.9',
  sourcePort: 9,
  destinationAddress: '192.0.2.1',
  destinationPort: 80,
}

const cases: readonly Case[] = [
  {
    name: 'split',
    script: () => main().split('ab'),
    valid: ['xabyabz', 'aab', ''],
  },
  {
    name: 'deframe',
    script: () =>
      main().deframe({
        length: (size: number) => ['body', size, []],
        body: (bytes: number[]) => [new MessageStart(), new Data(bytes), new MessageEnd(), 'length'],
      }),
    valid: ['\x02hi\x01!', '\x00\x00'],
  },
  {
    name: 'decodeRESP',
    script: () => main().decodeRESP(),
    valid: ['*2\r\n$3\r\nGET\r\n$1\r\nk\r\n', '%1\r\n+a\r\n:1\r\n', '$-1\r\n*?\r\n#t\r\n.\r\n'],
  },
  {
    name: 'decodeDubbo',
    script: () => main().decodeDubbo(),
    valid: Object.values(dubbo),
  },
  {
    name: 'decodeHTTPRequest',
    script: () => main().decodeHTTPRequest(),
    valid: [request, request + request, 'GET / HTTP/1.0\r\n\r\n'],
  },
  {
    name: 'decodeHTTPResponse',
    fault: 'UpstreamProtocolError',
    script: () => main().decodeHTTPResponse(),
    valid: [chunked, 'HTTP/1.1 204 No Content\r\n\r\n', 'HTTP/1.0 200 OK\r\n\r\nto the end'],
  },
  {
    name: 'demuxHTTP',
    script: () =>
      main()
        .demuxHTTP()
        .to($ => $.replaceMessage(message => new Message({ headers: { date: 'x' } }, message.body ?? ''))),
    valid: [request, request + request],
  },
  {
    name: 'serveHTTP',
    script: () => main().serveHTTP(new Message({ headers: { date: 'x' } }, 'ok')),
    valid: [request, request + request],
  },
  {
    name: 'acceptSOCKS',
    script: () =>
      main()
        .acceptSOCKS(() => true)
        .to($ => $),
    valid: [
      Buffer.from('050100050100010102030400506869', 'hex'),
      Buffer.from('0401005001020304626f620068', 'hex'),
    ],
  },
  {
    name: 'acceptProxyProtocol',
    script: () =>
      main()
        .acceptProxyProtocol(() => true)
        .to($ => $),
    valid: [encodeProxyHeader({ version: 1, ...address }), encodeProxyHeader(address)],
  },
  {
    name: 'handleTLSClientHello',
    script: () => main().handleTLSClientHello(() => {}),
    valid: [Buffer.from('1603010005010000010303', 'hex'), 'GET / HTTP/1.1\r\n\r\n'],
  },
  {
    name: 'detectProtocol',
    script: () => main().detectProtocol(() => {}),
    valid: [request, Buffer.from('16030100050100000103', 'hex'), 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  },
  ...(['gzip', 'deflate', 'brotli', 'zstd'] as const).map(method => ({
    name: `decompressMessage ${method}`,
    script: () => main().decompressMessage(method),
    valid: [compressed[method]],
    wrap: asMessage,
    fault: 'UpstreamProtocolError',
  })),
  {
    name: 'decompressHTTP',
    script: () => main().decompressHTTP(),
    valid: [compressed.gzip],
    wrap: asMessage,
    fault: 'UpstreamProtocolError',
  },
]

/** Bytes as text in quotes, messages in brackets, the end as its error. */
function shown(events: readonly Event[]): string[] {
  const words: string[] = []
  let text = ''
  const say = (word: string): void => {
    if (text !== '') words.push(JSON.stringify(text))
    text = ''
    if (word !== '') words.push(word)
  }
  for (const event of events)
    if (event.kind === 0) text += event.toString('latin1')
    else say(event.kind === 1 ? '<' : event.kind === 2 ? '>' : `end ${event.error}`)
  say('')
  return words
}

/** What comes out of a stream that is fed these pieces and ends. */
function run(program: TestProgram, { wrap }: Case, pieces: readonly Buffer[]): string[] {
  const data = pieces.map(piece => Data.borrow(piece, 0, piece.length))
  const stream = program.open()
  for (const event of wrap === undefined ? data : wrap(data)) stream.feed(event)
  stream.end()
  const words = shown(stream.session.outputs.seen)
  stream.close()
  return words
}

const ends = (words: readonly string[]): string[] => words.filter(word => word.startsWith('end'))

/** Of a message that turns out to be wrong, more or less may have gone on before. */
const certain = (words: readonly string[]): readonly string[] =>
  words.at(-1) === 'end ' ? words : [...words.slice(0, words.lastIndexOf('>') + 1), words.at(-1) as string]

/** Told in the log, and not by an exception that nobody expects. */
const unexpected = (program: TestProgram): unknown[] =>
  program.logs.filter(({ code }) => code === 'RuntimeError')

for (const each of cases) {
  const allowed = ['', each.fault ?? 'ProtocolError'].map(fault => `end ${fault}`)
  const valid = fc.constantFrom(...each.valid.map(one => Buffer.from(one as string, 'latin1')))

  test(`${each.name}: what it reads is the same however it is cut`, t => {
    const program = testProgram(t, each.script())
    for (const input of each.valid) {
      const bytes = Buffer.from(input as string, 'latin1')
      const whole = run(program, each, [bytes])
      t.true(allowed.includes(ends(whole)[0] as string), JSON.stringify(whole))
      t.deepEqual(run(program, each, everyByte(bytes)), whole)
    }
    t.deepEqual(unexpected(program), [])
  })

  test(`${each.name}: any bytes, cut anywhere, end in one way`, t => {
    const program = testProgram(t, each.script())
    fc.assert(
      fc.property(fc.oneof(noise(), spoiled(valid)), places, (bytes, at) => {
        const whole = run(program, each, [bytes])
        t.is(ends(whole).length, 1)
        t.true(allowed.includes(ends(whole)[0] as string), JSON.stringify(whole))
        t.deepEqual(certain(run(program, each, cutAt(bytes, at))), certain(whole))
      }),
      { numRuns: 100 },
    )
    t.deepEqual(unexpected(program), [])
  })

  for (const [what, pattern] of [
    ['zeros', '\0'],
    ['letters', 'a'],
    ['lines', 'a: b\r\n'],
    ['its own beginning', each.valid[0] as string],
  ] as const)
    test(`${each.name}: a flood of ${what} is refused, passed on or paused, and not kept`, t => {
      flood(t, each, Buffer.from(pattern, 'latin1'))
    })
}

/** Half a megabyte, in pieces as large as a read, until the source is paused or the stream has ended. */
function flood(t: ExecutionContext, { name, script, wrap }: Case, pattern: Buffer): void {
  const piece = Buffer.alloc(64 * 1024, pattern)
  const total = 8
  const stream = testProgram(t, script()).open()
  const events = (wrap ?? ((pieces: readonly Data[]): Event[] => [...pieces]))(
    Array.from({ length: total }, () => Data.borrow(piece, 0, piece.length)),
  )
  let fed = 0
  for (const event of events) {
    if (stream.source.isPaused || stream.session.outputs.seen.at(-1)?.kind === 3) break
    stream.feed(event)
    if (event.kind === 0) fed += piece.length
  }
  const { seen } = stream.session.outputs
  const out = seen.reduce((sum, event) => sum + (event.kind === 0 ? event.size : 0), 0)
  const isStopped = stream.source.isPaused || seen.some(event => event.kind === 3)
  const answers = seen.filter(event => event.kind === 1).length
  t.true(isStopped || out + 2 * piece.length >= fed || answers > 100, `${name} has kept ${fed - out} bytes`)
  stream.close()
}
