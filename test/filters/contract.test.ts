/**
 * What every filter does, whatever else it does: with a stream that only ends, with one that breaks off, and with one
 * that is closed in the middle.
 */

import type { ExecutionContext } from 'ava'
import test from 'ava'
import { filterTable } from '../../actors/filters/index.ts'
import { crypto, Data, Hub, Message, MessageStart, sluice } from '../../actors/index.ts'
import { type Event, Kind } from '../../runtime/event.ts'
import { type Input, type TestProgram, type TestStream, testProgram } from '../support/stream.ts'
import { certificates } from '../support/tls-peers.ts'

// biome-ignore lint/suspicious/noExplicitAny: the table goes through all filters by name
type Any = any

const http = 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbo'
const request = new Message({ method: 'GET', path: '/', headers: {} }, 'body')
const half: readonly Input[] = [request, new MessageStart({ method: 'GET', path: '/', headers: {} }), 'half']
const bytes: readonly Input[] = ['some', new Data(), 'bytes']
const nothing = (): void => {}
/** A sub-pipeline that gives back what it gets. */
const same = ($: Any): Any => $
const answer = ($: Any): Any => $.replaceMessage(new Message('answer'))
const tls = { cert: new crypto.Certificate(certificates.server.cert), key: certificates.server.key }

interface Case {
  readonly write: ($: Any) => Any
  /** What is fed before the stream ends, or is closed. */
  readonly feed?: readonly Input[]
  /** The end does not come out at once: the filter waits for others, or never puts out an end. */
  readonly isLate?: true
  /** What a stream ends with that breaks off, when that is another error. */
  readonly broken?: string
  /** What a stream ends with that ends in the middle, when the protocol does not allow it. */
  readonly cut?: string
}

const cases: Record<string, Case> = {
  acceptHTTPTunnel: { write: $ => $.acceptHTTPTunnel(() => undefined).to(same), feed: [http], isLate: true },
  acceptProxyProtocol: {
    write: $ => $.acceptProxyProtocol(() => true).to(same),
    feed: ['PROXY TCP4'],
    isLate: true,
  },
  acceptSOCKS: { write: $ => $.acceptSOCKS(() => true).to(same), feed: ['\x05\x01'], isLate: true },
  acceptTLS: { write: $ => $.acceptTLS({ certificate: tls }).to(same), feed: ['\x16\x03\x01'], isLate: true },
  branch: { write: $ => $.branch(() => true, same, same), feed: bytes },
  branchMessage: { write: $ => $.branchMessage(() => true, same, same), feed: half },
  branchMessageStart: { write: $ => $.branchMessageStart(() => true, same, same), feed: half },
  chain: { write: $ => $.chain([($$: Any) => $$.pipeNext(), same]), feed: bytes },
  compressHTTP: { write: $ => $.compressHTTP(), feed: half },
  compressMessage: { write: $ => $.compressMessage(), feed: half },
  connect: { write: $ => $.connect('127.0.0.1:1'), feed: bytes, isLate: true },
  connectHTTPTunnel: { write: $ => $.connectHTTPTunnel(request).to(answer), feed: bytes, isLate: true },
  connectProxyProtocol: {
    write: $ => $.connectProxyProtocol({ version: 1, protocol: 'UNKNOWN' }).to(same),
    feed: bytes,
  },
  connectSOCKS: {
    write: $ => $.connectSOCKS('a:1').to(($$: Any) => $$.replaceData()),
    feed: bytes,
    isLate: true,
  },
  connectTLS: {
    write: $ => $.connectTLS({ sni: 'localhost' }).to(($$: Any) => $$.replaceData()),
    feed: bytes,
    isLate: true,
  },
  decodeDubbo: { write: $ => $.decodeDubbo(), feed: [new Data([0xda, 0xbb])], cut: 'ProtocolError' },
  decodeHTTPRequest: { write: $ => $.decodeHTTPRequest(), feed: [http], cut: 'ProtocolError' },
  decodeHTTPResponse: {
    write: $ => $.decodeHTTPResponse(),
    feed: ['HTTP/1.1 200 OK\r\n'],
    cut: 'UpstreamProtocolError',
    isLate: true,
  },
  decodeRESP: { write: $ => $.decodeRESP(), feed: ['*2\r\n'], cut: 'ProtocolError' },
  decompressHTTP: { write: $ => $.decompressHTTP(), feed: half },
  decompressMessage: {
    write: $ => $.decompressMessage('gzip'),
    feed: [new MessageStart(), new Data([0x1f, 0x8b])],
  },
  deframe: { write: $ => $.deframe({ a: () => ['a', 5, []] }), feed: bytes },
  demux: { write: $ => $.demux().to(answer), feed: half },
  demuxHTTP: { write: $ => $.demuxHTTP().to(answer), feed: [http], isLate: true },
  demuxQueue: { write: $ => $.demuxQueue().to(answer), feed: half },
  detectProtocol: { write: $ => $.detectProtocol(nothing), feed: ['GET'] },
  dummy: { write: $ => $.dummy(), feed: half },
  dump: { write: $ => $.dump('contract'), feed: ['x'] },
  encodeDubbo: { write: $ => $.encodeDubbo(), feed: half },
  encodeHTTPRequest: { write: $ => $.encodeHTTPRequest(), feed: half },
  encodeHTTPResponse: { write: $ => $.encodeHTTPResponse(), feed: half, isLate: true },
  encodeRESP: { write: $ => $.encodeRESP(), feed: [new MessageStart({ type: 'array' })] },
  exec: { write: $ => $.exec('cat'), feed: bytes, isLate: true },
  fork: { write: $ => $.fork().to(($$: Any) => $$.dummy()), feed: half },
  forkJoin: { write: $ => $.forkJoin([{}, {}]).to(same), feed: half },
  forkRace: { write: $ => $.forkRace([{}, {}]).to(same), feed: half },
  handle: { write: $ => $.handle(nothing), feed: half },
  handleData: { write: $ => $.handleData(nothing), feed: half },
  handleMessage: { write: $ => $.handleMessage(nothing), feed: half },
  handleMessageBody: { write: $ => $.handleMessageBody(nothing), feed: half },
  handleMessageEnd: { write: $ => $.handleMessageEnd(nothing), feed: half },
  handleMessageStart: { write: $ => $.handleMessageStart(nothing), feed: half },
  handleStreamEnd: { write: $ => $.handleStreamEnd(nothing), feed: half },
  handleStreamStart: { write: $ => $.handleStreamStart(nothing), feed: half },
  handleTLSClientHello: { write: $ => $.handleTLSClientHello(nothing), feed: ['\x16\x03'] },
  insert: { write: $ => $.insert(new Data('first')), feed: half },
  link: { write: $ => $.link('no', () => false, ''), feed: half },
  loop: { write: $ => $.loop().to(($$: Any) => $$.replaceData()), feed: bytes },
  merge: { write: $ => $.merge(() => 1).to(($$: Any) => $$.dummy()), feed: half },
  mux: { write: $ => $.mux(() => 1, { messageKey: () => 1 }).to(answer), feed: half, isLate: true },
  muxHTTP: { write: $ => $.muxHTTP().to(($$: Any) => $$.replaceData()), feed: half, isLate: true },
  muxQueue: { write: $ => $.muxQueue().to(answer), feed: half, isLate: true },
  onEnd: { write: $ => $.onEnd(nothing), feed: half },
  onStart: { write: $ => $.onStart(new Data('first')), feed: half },
  pack: { write: $ => $.pack(5), feed: half },
  pipe: { write: $ => $.pipe([same, same]), feed: half },
  pipeNext: { write: $ => $.pipe([($$: Any) => $$.pipeNext(), same]), feed: half },
  print: { write: $ => $.print(), feed: ['x'] },
  read: { write: $ => $.read('/dev/null'), feed: bytes, isLate: true },
  repeat: { write: $ => $.repeat(() => false).to(same), feed: half },
  replace: { write: $ => $.replace((event: Event) => event), feed: half },
  replaceData: { write: $ => $.replaceData((data: Data) => data), feed: half },
  replaceMessage: { write: $ => $.replaceMessage((message: Message) => message), feed: half },
  replaceMessageBody: { write: $ => $.replaceMessageBody((body: Data) => body), feed: half },
  replaceMessageEnd: { write: $ => $.replaceMessageEnd((end: Event) => end), feed: half },
  replaceMessageStart: { write: $ => $.replaceMessageStart((start: Event) => start), feed: half },
  replaceStreamEnd: { write: $ => $.replaceStreamEnd((end: Event) => end), feed: half },
  replaceStreamStart: {
    write: $ => $.replaceStreamStart((event: Event) => [new Data('first'), event]),
    feed: half,
  },
  replay: { write: $ => $.replay().to(same), feed: half },
  serveHTTP: { write: $ => $.serveHTTP(new Message('hi')), feed: [http], isLate: true },
  split: { write: $ => $.split('\n'), feed: bytes },
  swap: { write: $ => $.swap(new Hub()), feed: bytes, isLate: true },
  tap: { write: $ => $.tap('1m'), feed: bytes },
  tee: { write: $ => $.tee('/dev/null'), feed: bytes },
  throttleConcurrency: { write: $ => $.throttleConcurrency(5), feed: bytes },
  throttleDataRate: { write: $ => $.throttleDataRate('1m'), feed: bytes },
  throttleMessageRate: { write: $ => $.throttleMessageRate(100), feed: half },
  use: { write: $ => $.use([sluice().pipeline('up').handleData(nothing)], 'up'), feed: half },
  wait: { write: $ => $.wait(() => true), feed: half },
}

/** Those that need a cluster or a sink: they have suites of their own. */
const elsewhere = ['ask', 'logTraffic', 'mirror', 'publish', 'sink']

test('every filter is here', t => {
  const names = filterTable.map(({ name }) => name as string)
  t.deepEqual([...Object.keys(cases), ...elsewhere].sort(), names.sort())
})

const programOf = (t: ExecutionContext, { write }: Case): TestProgram =>
  testProgram(t, write(sluice().pipeline('no').pipeline('main')))

const ends = ({ session }: TestStream): string[] =>
  session.outputs.seen.flatMap(event => (event.kind === Kind.streamEnd ? [event.error] : []))

/** At most one end, the last of all. */
function endsOnce(t: ExecutionContext, stream: TestStream, program: TestProgram): void {
  const { seen } = stream.session.outputs
  const at = seen.findIndex(({ kind }) => kind === Kind.streamEnd)
  t.true(at < 0 || at === seen.length - 1, `behind the end: ${stream.output.join(' ')}`)
  t.deepEqual(
    program.logs.filter(({ level }) => level === 'error'),
    [],
  )
}

for (const [name, each] of Object.entries(cases)) {
  const { feed = [], isLate, cut } = each

  test(`${name}: a stream that only ends, ends`, t => {
    const program = programOf(t, each)
    const stream = program.open().end()
    endsOnce(t, stream, program)
    if (!isLate) t.deepEqual(ends(stream), [''])
    stream.close()
  })

  test(`${name}: a stream that ends in the middle ends once`, t => {
    const program = programOf(t, each)
    const stream = program
      .open()
      .feed(...feed)
      .end()
    if (!isLate) t.deepEqual(ends(stream), [cut ?? ''])
    endsOnce(t, stream, program)
    stream.close()
  })

  test(`${name}: a stream that breaks off says why`, t => {
    const program = programOf(t, each)
    const stream = program
      .open()
      .feed(...feed)
      .end('ReadError')
    endsOnce(t, stream, program)
    if (!isLate) t.deepEqual(ends(stream), [each.broken ?? 'ReadError'])
    stream.close()
  })

  test(`${name}: closed in the middle it leaves nothing behind`, async t => {
    const program = programOf(t, each)
    const stream = program.open().feed(...feed)
    stream.close()
    const before = stream.output.length
    await new Promise(setImmediate)
    t.is(stream.output.length, before, 'a stopped pipeline is silent')
    t.is(program.program.sessions.size, 0)
    t.false(stream.source.isPaused)
    for (const edge of program.program.edges) t.true(edge.isBalanced, JSON.stringify(edge.row()))
  })
}
