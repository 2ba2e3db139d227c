/** Events as values: what each says of itself, and what a copy of one shares with it. */

import test from 'ava'
import { faults, TrafficError } from '../../runtime/errors.ts'
import {
  cloneEvent,
  Data,
  isEvent,
  Kind,
  Message,
  MessageEnd,
  MessageStart,
  messageEnd,
  StreamEnd,
} from '../../runtime/event.ts'

test('kind and type name the same', t => {
  for (const [event, kind, type] of [
    [new Data('x'), Kind.data, 'Data'],
    [new MessageStart(), Kind.messageStart, 'MessageStart'],
    [new MessageEnd(), Kind.messageEnd, 'MessageEnd'],
    [new StreamEnd(), Kind.streamEnd, 'StreamEnd'],
  ] as const) {
    t.is(event.kind, kind)
    t.is(event.type, type)
    t.true(isEvent(event))
  }
  t.is(new Message().type, 'Message')
})

test('what is no event is none', t => {
  for (const value of [undefined, null, 'Data', 3, {}, { kind: 0 }, new Message(), []])
    t.false(isEvent(value))
})

test('a StreamEnd has a code: none after an orderly end, its own for what it was given', t => {
  t.is(new StreamEnd().error, '')
  t.is(new StreamEnd('').error, '')
  t.is(new StreamEnd(undefined).reason, '')
  t.is(new StreamEnd('ReadError').error, 'ReadError')
  t.is(new StreamEnd('ReadError').reason, faults.ReadError.summary)
  t.is(new StreamEnd('NoSuchCode' as never).error, 'UnknownError')
  const fault = new TrafficError('IdleTimeout', 'after 60 s')
  t.is(new StreamEnd(fault).error, 'IdleTimeout')
  t.is(new StreamEnd(fault).fault, fault)
  t.regex(new StreamEnd(fault).reason, /after 60 s/)
  t.is(new StreamEnd(new TypeError('a bug')).error, 'RuntimeError')
  t.regex(new StreamEnd(new TypeError('a bug')).reason, /a bug/)
})

test('a Message takes head, body, tail and payload, or a body alone', t => {
  t.like(new Message(), { head: {}, body: undefined, tail: undefined, payload: undefined })
  t.is(new Message('text').body?.toString(), 'text')
  t.deepEqual(new Message('text').head, {})
  t.is(new Message(new Uint8Array([104, 105])).body?.toString(), 'hi')
  const body = new Data('x')
  t.is(new Message(body).body, body)
  const message = new Message({ status: 200 }, 'body', { headers: {} }, { parsed: 1 })
  t.deepEqual(message.head, { status: 200 })
  t.is(message.body?.toString(), 'body')
  t.deepEqual(message.tail, { headers: {} })
  t.deepEqual(message.payload, { parsed: 1 })
  t.deepEqual(new Message(undefined, 'only body').head, {})
})

test('a message without a head has an empty one, each its own', t => {
  t.not(new MessageStart().head, new MessageStart().head)
})

test('a copied event may be changed without the other seeing it', t => {
  const data = new Data('abc')
  const copy = cloneEvent(data) as Data
  copy.shift(1)
  copy.push('d')
  t.is(data.toString(), 'abc')
  const start = new MessageStart({ headers: { a: 1 } })
  const startCopy = cloneEvent(start) as typeof start
  startCopy.head.headers.a = 2
  t.is(start.head.headers.a, 1)
})

test('a head that knows how to clone itself is asked to', t => {
  class Head {
    copies = 0
    clone(): Head {
      this.copies++
      return new Head()
    }
  }
  const start = new MessageStart(new Head())
  const copy = cloneEvent(start) as typeof start
  t.is(start.head.copies, 1)
  t.true(copy.head instanceof Head)
  t.not(copy.head, start.head)
})

test('a head that cannot be cloned is copied as far as it goes', t => {
  const inner = { a: 1 }
  const start = new MessageStart({ f: () => 1, inner })
  const copy = cloneEvent(start) as typeof start
  t.not(copy.head, start.head)
  t.is(copy.head.inner, inner)
})

test('ends are shared, since nobody can change them', t => {
  t.is(cloneEvent(messageEnd), messageEnd)
  const end = new StreamEnd('ReadError')
  t.is(cloneEvent(end), end)
})
