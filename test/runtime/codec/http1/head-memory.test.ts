import { Buffer } from 'node:buffer'
import test from 'ava'
import fc from 'fast-check'
import { RequestDecoder, type RequestHead, type Violation } from '../../../../runtime/codec/http1/index.ts'

/** What a decoder says of bytes, as text that can be compared. */
function read(decoderLimits: object | undefined, buffer: Buffer, start: number, end: number): string[] {
  const said: string[] = []
  const decoder = new RequestDecoder(
    {
      head(head: RequestHead) {
        const {
          raw,
          contentLength,
          isChunked,
          keepAlive,
          framing,
          hostCount,
          httpMinor,
          expectsContinue,
          upgrade,
        } = head
        said.push(
          JSON.stringify({
            ...head.toJSON(),
            raw,
            contentLength,
            isChunked,
            keepAlive,
            framing,
            hostCount,
            httpMinor,
            expectsContinue,
            upgrade,
          }),
        )
      },
      body: (bytes, from, to) => said.push(bytes.toString('latin1', from, to)),
      end: () => said.push('end'),
      violation: (violation: Violation) => said.push(violation.id),
    },
    decoderLimits,
  )
  decoder.decode(buffer, start, end)
  return said
}

const name = fc.constantFrom(
  'Host',
  'Accept',
  'Connection',
  'Content-Length',
  'Transfer-Encoding',
  'Expect',
  'Upgrade',
  'X-Trace',
  'TE',
)
const value = fc.constantFrom(
  'a',
  'b',
  'keep-alive',
  'close',
  'upgrade',
  'x-trace',
  '0',
  '3',
  '4',
  'chunked',
  '100-continue',
  'websocket',
  'trailers',
  'a\u0001b',
)
const head = fc
  .record({
    target: fc.constantFrom('/', '/a', '/b', '/items'),
    fields: fc.array(fc.tuple(name, value), { maxLength: 4 }),
  })
  .map(
    ({ target, fields }) =>
      `GET ${target} HTTP/1.1\r\nHost: h\r\n${fields.map(([n, v]) => `${n}: ${v}\r\n`).join('')}\r\n`,
  )

test('a head that is remembered is read as if it were new, whatever came before it', t => {
  // One buffer for all reads, as a thread has; limits of its own make a decoder without memories.
  const shared = Buffer.alloc(4096)
  fc.assert(
    fc.property(fc.array(head, { minLength: 20, maxLength: 60 }), fc.nat(64), (heads, offset) => {
      const limits = { maxHeadBytes: 2048 }
      for (const text of [...heads, ...heads, ...heads]) {
        const size = shared.write(text, offset, 'latin1')
        const remembered = read(limits, shared, offset, offset + size)
        const fresh = read({ maxHeadBytes: 2048 }, Buffer.from(text, 'latin1'), 0, size)
        t.deepEqual(remembered, fresh)
      }
    }),
    { numRuns: 40 },
  )
})

test('a limit that a listener sets holds for heads that another listener has learnt', t => {
  const shared = Buffer.alloc(4096)
  const text = `GET / HTTP/1.1\r\nHost: h\r\nX-Long: ${'x'.repeat(200)}\r\n\r\n`
  const size = shared.write(text, 'latin1')
  const wide = { maxHeadBytes: 2048 }
  for (let i = 0; i < 40; i++) t.true(read(wide, shared, 0, size).includes('end'))
  t.deepEqual(read({ maxHeadBytes: 100 }, shared, 0, size), ['headTooLarge'])
})

test('a head that is cut where a known one ends is not taken for it', t => {
  const shared = Buffer.alloc(4096)
  const limits = { maxHeadBytes: 2048 }
  const text = 'GET / HTTP/1.1\r\nHost: h\r\n\r\n'
  const size = shared.write(text, 'latin1')
  for (let i = 0; i < 40; i++) read(limits, shared, 0, size)
  t.deepEqual(read(limits, shared, 0, size - 1), [])
})
