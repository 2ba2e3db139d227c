/** bodiless and final: what decodeHTTPResponse and encodeHTTPResponse cannot know of requests that others have read. */

import test from 'ava'
import { Message, sluice } from '../../actors/index.ts'
import { openStream } from '../support/stream.ts'

const head = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n'

test('decodeHTTPResponse reads responses as those to HEAD where it is told so', t => {
  const script = (bodiless?: boolean | (() => boolean)) =>
    sluice()
      .pipeline('main')
      .decodeHTTPResponse(bodiless === undefined ? undefined : { bodiless })
  t.deepEqual(openStream(t, script(true)).feed(head + head).output, ['<', '>', '<', '>'])
  t.deepEqual(openStream(t, script(false)).feed(`${head}hello`).output, ['<', 'hello', '>'])
  t.deepEqual(openStream(t, script()).feed(`${head}hello`).output, ['<', 'hello', '>'])
  const answers = [true, false, true]
  const each = script(() => answers.shift() as boolean)
  t.deepEqual(openStream(t, each).feed(`${head + head}hello${head}`).output, [
    '<',
    '>',
    '<',
    'hello',
    '>',
    '<',
    '>',
  ])
})

test('encodeHTTPResponse leaves bodies out, and ends the stream, where it is told so', t => {
  const shown = (options: object): string => {
    const stream = openStream(t, sluice({ last: true }).pipeline('main').encodeHTTPResponse(options))
    stream.feed(new Message({ headers: { date: 'x' } }, 'hello'))
    return stream.output.join('').replaceAll('\r\n', ' ')
  }
  const start = 'HTTP/1.1 200 OK date: x '
  t.is(shown({}), `${start}Content-Length: 5  hello`)
  t.is(shown({ bodiless: true }), `${start} `)
  t.is(shown({ bodiless: () => false }), `${start}Content-Length: 5  hello`)
  t.is(
    shown({ final: (ctx: { last: boolean }) => ctx.last }),
    `${start}Content-Length: 5 Connection: close  hello|`,
  )
  t.is(shown({ final: false }), `${start}Content-Length: 5  hello`)
  t.throws(
    () =>
      openStream(
        t,
        sluice()
          .pipeline('main')
          .encodeHTTPResponse({ final: 1 as never }),
      ),
    {
      message: /option 'final' of encodeHTTPResponse wants true, false or a callback/,
    },
  )
})
