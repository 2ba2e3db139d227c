/** What holds for every input: cuts do not matter, nothing throws, and what is written is read back. */

import { Buffer } from 'node:buffer'
import process from 'node:process'
import test from 'ava'
import fc from 'fast-check'
import {
  chunkEnd,
  chunkHeader,
  encodeRequestHead,
  encodeResponseHead,
  Framing,
  lastChunk,
} from '../../../../runtime/codec/http1/index.ts'
import { bytes, everyByte, pieces, type Recorded, readRequests, readResponses } from './support/recorder.ts'

const oneOf = (text: string, constraints: fc.StringConstraints) =>
  fc.string({ ...constraints, unit: fc.constantFrom(...text) })

const letters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'
const ownNames = new Set(
  'connection content-length expect host keep-alive proxy-connection te trailer transfer-encoding upgrade'.split(
    ' ',
  ),
)
const name = oneOf(`${letters}0123456789-_!#$%&'*+.^|~\``, { minLength: 1, maxLength: 20 }).filter(
  text => !ownNames.has(text.toLowerCase()),
)
const value = oneOf(`${letters} \t"(),/:;<=>?@[\\]{}\xe9\xff0123456789`, { maxLength: 40 }).map(text =>
  text.trim(),
)
const fields = fc.uniqueArray(fc.tuple(name, value), { maxLength: 8, selector: ([key]) => key.toLowerCase() })
const path = oneOf(`${letters}0123456789-._~!$&'()*+,;=:@%/?`, { maxLength: 30 }).map(text => `/${text}`)
const method = fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'BREW', 'get')
const body = fc.oneof(
  fc.constant(undefined),
  fc.string({ unit: 'binary-ascii', maxLength: 60 }),
  fc.array(fc.string({ unit: 'binary-ascii', minLength: 1, maxLength: 30 }), { maxLength: 4 }),
)
const extension = fc.constantFrom('', '', ';a', ';a=b;c', ';a="b;\\"c "')

const lines = (all: readonly (readonly [string, string])[]) =>
  all.map(([key, text]) => `${key}: ${text}\r\n`).join('')

const bodyText = (
  content: string | string[] | undefined,
  mark: string,
  trailers: readonly (readonly [string, string])[],
) =>
  content === undefined
    ? '\r\n'
    : typeof content === 'string'
      ? `Content-Length: ${content.length}\r\n\r\n${content}`
      : `Transfer-Encoding: chunked\r\n\r\n${content
          .map(chunk => `${chunk.length.toString(16)}${mark}\r\n${chunk}\r\n`)
          .join('')}0${mark}\r\n${lines(trailers)}\r\n`

const request = fc
  .tuple(method, path, fields, body, extension, fields)
  .map(([verb, target, all, content, mark, trailers]) => ({
    text: `${verb} ${target} HTTP/1.1\r\nHost: a\r\n${lines(all)}${bodyText(content, mark, trailers)}`,
    content: typeof content === 'object' ? content.join('') : (content ?? ''),
  }))

const response = fc
  .tuple(fc.constantFrom(200, 204, 304, 404, 599), fields, body, extension, fields)
  .map(([status, all, content, mark, trailers]) => {
    const isBodiless = status === 204 || status === 304
    const text = `HTTP/1.1 ${status} Because\r\n${lines(all)}`
    return text + (isBodiless ? '\r\n' : bodyText(content ?? '', mark, trailers))
  })

const cuts = fc.array(fc.nat(), { maxLength: 12 })
const bodies = (events: readonly Recorded[]) => events.flatMap(event => ('body' in event ? [event.body] : []))

test('a pipeline of requests is read the same however it is cut', t => {
  fc.assert(
    fc.property(fc.array(request, { minLength: 1, maxLength: 4 }), cuts, (requests, places) => {
      const text = requests.map(one => one.text).join('')
      const whole = readRequests(text)
      t.is(whole.broken, undefined)
      t.is(whole.heads.length, requests.length)
      t.deepEqual(
        bodies(whole.events),
        requests.map(one => one.content).filter(content => content !== ''),
      )
      t.deepEqual(readRequests(pieces(text, places)).events, whole.events)
      t.deepEqual(readRequests(everyByte(text)).events, whole.events)
    }),
    { numRuns: 150 },
  )
})

test('a pipeline of responses is read the same however it is cut', t => {
  fc.assert(
    fc.property(fc.array(response, { minLength: 1, maxLength: 4 }), cuts, (responses, places) => {
      const text = responses.join('')
      const methods = responses.map(() => 'GET')
      const whole = readResponses(methods, text)
      t.is(whole.broken, undefined)
      t.is(whole.heads.length, responses.length)
      t.deepEqual(readResponses(methods, pieces(text, places)).events, whole.events)
      t.deepEqual(readResponses(methods, everyByte(text)).events, whole.events)
    }),
    { numRuns: 150 },
  )
})

/** A valid text with some bytes replaced, taken out or put in: nearer to what breaks parsers than noise is. */
const spoiled = (valid: fc.Arbitrary<string>) =>
  fc
    .tuple(
      valid,
      fc.array(
        fc.tuple(
          fc.nat(),
          fc.constantFrom('\r', '\n', '\r\n', ' ', '\t', ':', '\0', '0', ';', ',', '\x80', 'a', ''),
          fc.nat(2),
        ),
        { minLength: 1, maxLength: 4 },
      ),
    )
    .map(([text, edits]) =>
      edits.reduce((spoilt, [at, put, taken]) => {
        const place = at % (spoilt.length + 1)
        return spoilt.slice(0, place) + put + spoilt.slice(place + taken)
      }, text),
    )

const noise = fc.uint8Array({ maxLength: 300 }).map(array => Buffer.from(array).toString('latin1'))
const limits = { maxHeadBytes: 400, maxLineBytes: 60, maxTrailerBytes: 100, maxFields: 8, maxBodyBytes: 100 }

for (const [what, given] of [
  ['noise', noise],
  ['a spoiled request', spoiled(request.map(one => `${one.text}GET / HTTP/1.1\r\nHost: b\r\n\r\n`))],
] as const) {
  test(`${what} gives events and at most one violation, the same however it is cut`, t => {
    fc.assert(
      fc.property(given, cuts, fc.boolean(), (text, places, isLimited) => {
        const chosen = isLimited ? limits : undefined
        const whole = readRequests(text, chosen)
        t.true(whole.events.filter(event => 'violation' in event).length <= 1)
        t.deepEqual(readRequests(pieces(text, places), chosen).events, whole.events)
        t.deepEqual(readRequests(everyByte(text), chosen).events, whole.events)
        for (const head of whole.heads) {
          t.notRegex(head.raw, /(?<!\r)\n|\r(?!\n)|\0/)
          encodeRequestHead(head, head.framing)
        }
      }),
      { numRuns: 400 },
    )
  })
}

for (const [what, given] of [
  ['noise', noise],
  ['a spoiled response', spoiled(response)],
] as const) {
  test(`${what} as a response gives events and at most one violation, the same however it is cut`, t => {
    fc.assert(
      fc.property(given, cuts, fc.boolean(), (text, places, isLimited) => {
        const chosen = isLimited ? limits : undefined
        const whole = readResponses(['GET', 'HEAD'], text, chosen)
        t.true(whole.events.filter(event => 'violation' in event).length <= 1)
        t.deepEqual(readResponses(['GET', 'HEAD'], pieces(text, places), chosen).events, whole.events)
        t.deepEqual(readResponses(['GET', 'HEAD'], everyByte(text), chosen).events, whole.events)
        for (const head of whole.heads) {
          t.notRegex(head.raw, /(?<!\r)\n|\r(?!\n)|\0/)
          encodeResponseHead(head, head.framing)
        }
      }),
      { numRuns: 400 },
    )
  })
}

test('what a request decoder lets through, it reads the same after it was forwarded', t => {
  fc.assert(
    fc.property(
      fc.oneof(
        request.map(one => one.text),
        spoiled(request.map(one => one.text)),
      ),
      text => {
        const first = readRequests(text, undefined, false)
        for (const head of first.heads) {
          const sent = encodeRequestHead(head, head.framing)
          const again = readRequests(sent, undefined, false)
          t.is(again.broken, undefined, sent)
          t.is(again.heads[0]?.framing, head.framing)
          t.is(again.heads[0]?.raw, sent.slice(0, -2))
          t.deepEqual({ ...again.heads[0]?.headers }, { ...head.headers })
        }
      },
    ),
    { numRuns: 300 },
  )
})

const anything = fc.string({ unit: 'binary', maxLength: 12 })

test('whatever a script gives is refused or read back as exactly one message of its framing', t => {
  fc.assert(
    fc.property(
      fc.record(
        {
          method: fc.oneof(method, anything),
          path: fc.oneof(path, anything),
          headers: fc.dictionary(
            fc.oneof(name, anything),
            fc.oneof(value, anything, fc.array(anything, { maxLength: 2 })),
          ),
        },
        { requiredKeys: [] },
      ),
      fc.constantFrom<number>(Framing.none, 0, 3, Framing.chunked),
      (head, framing) => {
        let text: string
        try {
          text = encodeRequestHead(head as object, framing, '', 'a')
        } catch {
          return
        }
        const recorder = readRequests(text, undefined, false)
        // A path without a slash, or a Host that is none, are a script's own mistake: refused by whom it talks to.
        if (recorder.broken !== undefined) {
          t.true(
            ['badTarget', 'badHost', 'repeatedHost', 'connectWithBody'].includes(recorder.broken),
            recorder.broken,
          )
          return
        }
        t.is(recorder.heads.length, 1)
        const read = recorder.heads[0]?.framing
        t.is(read === 0 ? Framing.none : read, framing === 0 ? Framing.none : framing)
      },
    ),
    { numRuns: 400 },
  )
})

test('chunks and trailers that are written are read back', t => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: 'binary-ascii', minLength: 1, maxLength: 300 })),
      fields,
      (chunks, all) => {
        const trailers = Object.fromEntries(all)
        const head = encodeRequestHead({ method: 'POST', headers: { host: 'a' } }, Framing.chunked)
        const text =
          head +
          chunks.map(chunk => chunkHeader(chunk.length) + chunk + chunkEnd).join('') +
          lastChunk(trailers)
        const { events, broken } = readRequests(text)
        t.is(broken, undefined)
        t.is(bodies(events).join(''), chunks.join(''))
        const end = events.at(-1) as { end: object | undefined }
        const byName = (entries: [string, string][]) => new Map(entries.sort(([a], [b]) => (a < b ? -1 : 1)))
        t.deepEqual(
          byName(Object.entries(end.end ?? {})),
          byName(all.map(([key, text]) => [key.toLowerCase(), text])),
        )
      },
    ),
    { numRuns: 150 },
  )
})

test('a long head that comes byte by byte is scanned once, not again for each byte', t => {
  const request = `GET / HTTP/1.1\r\nHost: a\r\nX: ${'a'.repeat(30_000)}\r\n\r\n`
  const began = process.hrtime.bigint()
  const recorder = readRequests([...bytes(request)].map(byte => Buffer.from([byte])))
  t.is(recorder.heads.length, 1)
  // Scanning anew for each byte would be 450 million steps; once is 30 thousand. The bound tells them apart anywhere.
  t.true(process.hrtime.bigint() - began < 400_000_000n)
})
