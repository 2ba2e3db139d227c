/** Filters that cut streams into messages and join them. */

import test from 'ava'
import fc from 'fast-check'
import { type Pieces, Splitter } from '../../actors/filters/shape/splitter.ts'
import { Data, Message, MessageEnd, MessageStart, sluice } from '../../actors/index.ts'
import { messageEnd } from '../../runtime/event.ts'
import { openStream, testProgram } from '../support/stream.ts'

const lines = (): ReturnType<typeof sluice> => sluice().pipeline('main').split('\n') as never

test('split makes a message of what lies between separators, an empty one too', t => {
  t.deepEqual(openStream(t, lines()).feed('a\nbc\n\nd').output, [
    ...['<', 'a', '>'],
    ...['<', 'bc', '>'],
    ...['<', '>'],
    ...['<', 'd'],
  ])
})

test('split ends the last message with the stream, and makes none of nothing', t => {
  t.deepEqual(openStream(t, lines()).feed('a').end().output, ['<', 'a', '>', '|'])
  t.deepEqual(openStream(t, lines()).feed('a\n').end('ReadError').output, ['<', 'a', '>', '|ReadError'])
  t.deepEqual(openStream(t, lines()).feed('').end().output, ['|'])
})

test('split ends a piece where the message ends that it came in', t => {
  t.deepEqual(openStream(t, lines()).feed(new Message({ x: 1 }, 'a\nb'), new Message('c')).output, [
    ...['<', 'a', '>'],
    ...['<', 'b', '>'],
    ...['<', 'c', '>'],
  ])
})

test('split takes Data, and text of a callback', t => {
  const byData = sluice()
    .pipeline('main')
    .split(new Data([0, 1]))
  t.deepEqual(
    openStream(t, byData)
      .feed(new Data([65, 0, 0, 1, 66]))
      .end().output,
    ['<', 'A\0', '>', '<', 'B', '>', '|'],
  )
  const byCallback = sluice()
    .pipeline('main')
    .split(() => '--')
  t.deepEqual(openStream(t, byCallback).feed('a-', '-b').end().output, ['<', 'a', '>', '<', 'b', '>', '|'])
})

test('split puts out what its callback gives for a byte behind the bytes so far', t => {
  const script = sluice()
    .pipeline('main')
    .split(byte => (byte === 0x3b ? [new MessageEnd(), new MessageStart()] : undefined))
  t.deepEqual(openStream(t, script).feed('a;b', 'c;').end().output, ['a;', '>', '<', 'bc;', '>', '<', '|'])
})

test('any bytes, cut anywhere, give the same pieces as splitting the text', t => {
  const alphabet = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 40 })
  const separator = fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 5 })
  fc.assert(
    fc.property(alphabet, separator, fc.array(fc.nat(40), { maxLength: 6 }), (text, by, cuts) => {
      const pieces: string[] = ['']
      const found: Pieces = {
        bytes: data => {
          t.true(data.size > 0)
          pieces[pieces.length - 1] += data.toString()
        },
        separator: () => pieces.push(''),
      }
      const splitter = new Splitter(Buffer.from(by))
      const places = [0, ...cuts.toSorted((a, b) => a - b), text.length]
      for (let i = 1; i < places.length; i++)
        splitter.feed(new Data(text.slice(places[i - 1], places[i])), found)
      splitter.finish(found)
      t.deepEqual(pieces, text.split(by))
    }),
  )
})

test('split refuses separators that are none', t => {
  for (const separator of ['', 'x'.repeat(1025), 1, undefined])
    t.throws(
      () =>
        testProgram(
          t,
          sluice()
            .pipeline('main')
            .split(separator as never),
        ),
      {
        message: /separator of 1 to 1024 bytes/,
      },
    )
})

test('pack joins the bodies of n messages under the first head', async t => {
  const script = sluice().pipeline('main').pack(2)
  const stream = openStream(t, script).feed(new Message({ n: 1 }, 'a'))
  t.deepEqual(stream.output, [])
  stream.feed(new Message({ n: 2 }, 'b'), new Message({ n: 3 }, 'c'))
  t.deepEqual(stream.output, ['<', 'ab', '>'])
  t.deepEqual(((await stream.next()) as MessageStart).head, { n: 1 })
})

test('pack puts its texts around and between, also when a body comes in pieces', t => {
  const script = sluice().pipeline('main').pack(2, { prefix: '[', separator: ',', postfix: ']' })
  const stream = openStream(t, script).feed(new MessageStart(), '1', '2', messageEnd, new Message('3'))
  t.deepEqual(stream.output, ['<', '[12,3]', '>'])
  t.deepEqual(stream.feed(new Message('4')).end().output.slice(3), ['<', '[4]', '>', '|'])
})

test('pack puts an unfinished batch out with the end of the stream, and nothing when there is none', t => {
  const script = sluice().pipeline('main').pack(10)
  t.deepEqual(openStream(t, script).feed(new MessageStart(), 'a').end('ReadError').output, [
    '<',
    'a',
    '>',
    '|ReadError',
  ])
  t.deepEqual(openStream(t, script).end().output, ['|'])
  t.deepEqual(openStream(t, script).feed(new Message(), new Message()).end().output, ['<', '>', '|'])
})

test('pack puts a batch out when nothing comes, but never half of a message', async t => {
  const script = sluice().pipeline('main').pack(10, { timeout: '10ms' })
  const stream = openStream(t, script).feed(new Message('a'), new MessageStart(), 'b')
  const other = openStream(t, script).feed(new Message('x'))
  await other.next(event => event.kind === 2)
  t.deepEqual(stream.output, [])
  t.deepEqual(stream.feed(messageEnd).output, ['<', 'ab', '>'])
})

test('pack bounds what a batch and a message may be', t => {
  const script = sluice().pipeline('main').pack(10, { bodyLimit: 4 })
  t.deepEqual(openStream(t, script).feed(new Message('aaa'), new Message('bbb')).output, ['<', 'aaabbb', '>'])
  t.deepEqual(openStream(t, script).feed(new Message('aaaaa')).output, ['|BufferOverflow'])
})

test('pack without a number passes message by message, and refuses what is no number', t => {
  t.deepEqual(openStream(t, sluice().pipeline('main').pack()).feed(new Message('a')).output, ['<', 'a', '>'])
  t.throws(() => testProgram(t, sluice().pipeline('main').pack(0)), { message: /pack wants a number/ })
})

const frames = (): unknown =>
  sluice()
    .pipeline('main')
    .deframe({
      length: (size: number) => ['body', size, []],
      body: (bytes: number[]) => [
        new MessageStart({ size: bytes.length }),
        new Data(bytes),
        new MessageEnd(),
        'length',
      ],
    })

test('deframe reads what its states ask for, however it is cut', t => {
  t.deepEqual(openStream(t, frames()).feed('\x02hi\x01!').end().output, ['<', 'hi', '>', '<', '!', '>', '|'])
  t.deepEqual(openStream(t, frames()).feed('\x02', 'h', 'i').output, ['<', 'hi', '>'])
})

test('deframe leads on at once when a state asks for no bytes, as a frame of length 0 does', t => {
  t.deepEqual(openStream(t, frames()).feed('\x00\x01a\x00').output, ['<', '>', '<', 'a', '>', '<', '>'])
})

test('deframe passes bytes on when there is no buffer, and fills Data', t => {
  const script = sluice()
    .pipeline('main')
    .deframe({
      start: (size: number) => [new MessageStart(), 'end', size],
      end: () => [new MessageEnd(), 'start'],
    })
  t.deepEqual(openStream(t, script).feed('\x03abc\x01d').output, ['<', 'abc', '>', '<', 'd', '>'])
  const body = new Data()
  const intoData = sluice()
    .pipeline('main')
    .deframe({ start: (size: number) => ['end', size, body], end: (data: Data) => [data, 'start'] })
  t.deepEqual(openStream(t, intoData).feed('\x02a', 'b').output, ['ab'])
})

test('deframe starts over with the next stream, and forgets a frame that was cut off', t => {
  t.deepEqual(openStream(t, frames()).feed('\x05ab').end('ReadError').output, ['|ReadError'])
})

test('deframe fails the stream when a state leads nowhere or asks for too much', t => {
  const run = (state: unknown): string[] =>
    openStream(
      t,
      sluice()
        .pipeline('main')
        .deframe({ start: () => state as string }, { maxRead: 10 }),
    ).feed('x').output
  t.deepEqual(run('nowhere'), ['|RuntimeError'])
  t.deepEqual(run(['start', -1]), ['|RuntimeError'])
  t.deepEqual(run(['start', 0]), ['|RuntimeError'], 'a circle that reads nothing')
  t.deepEqual(run(['start', 5, 'x']), ['|RuntimeError'])
  t.deepEqual(run(['start', 11, []]), ['|BufferOverflow'])
  t.throws(() => testProgram(t, sluice().pipeline('main').deframe({})), { message: /object of states/ })
})
