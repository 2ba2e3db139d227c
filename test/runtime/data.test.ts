/** Data against the plainest model of bytes: an array of numbers per Data, of which none shares anything. */

import { Buffer } from 'node:buffer'
import test from 'ava'
import fc from 'fast-check'
import { Data } from '../../runtime/data.ts'

/** Several Data, some of which share memory, and what each must hold. */
interface World {
  real: Data[]
  model: number[][]
}

const bytes = fc.uint8Array({ maxLength: 40 })
const which = fc.nat(7)

const steps = fc.oneof(
  fc.record({ do: fc.constant('make' as const), bytes }),
  fc.record({ do: fc.constant('borrow' as const), bytes }),
  fc.record({ do: fc.constant('push' as const), which, bytes }),
  fc.record({
    do: fc.constant('pushText' as const),
    which,
    text: fc.string({ maxLength: 10, unit: 'grapheme' }),
  }),
  fc.record({ do: fc.constant('pushData' as const), which, other: which }),
  fc.record({ do: fc.constant('shift' as const), which, count: fc.integer({ min: -3, max: 50 }) }),
  fc.record({ do: fc.constant('shiftTo' as const), which, byte: fc.nat(255) }),
  fc.record({ do: fc.constant('shiftWhile' as const), which, byte: fc.nat(255) }),
  fc.record({ do: fc.constant('clone' as const), which }),
  fc.record({ do: fc.constant('wrap' as const), which }),
  fc.record({ do: fc.constant('keep' as const), which }),
)

test('any history of push, shift, clone and keep does to each Data what it would do to a list of its own', t => {
  fc.assert(
    fc.property(fc.array(steps, { maxLength: 60 }), history => {
      const { real, model }: World = { real: [new Data()], model: [[]] }
      const add = (data: Data, content: readonly number[]): void => {
        real.push(data)
        model.push([...content])
      }
      for (const step of history) {
        const at = 'which' in step ? step.which % real.length : 0
        const data = real[at] as Data
        const content = model[at] as number[]
        switch (step.do) {
          case 'make':
            add(new Data(step.bytes), [...step.bytes])
            break
          case 'borrow':
            add(Data.borrow(Buffer.from(step.bytes), 0, step.bytes.length), [...step.bytes])
            break
          case 'push':
            t.is(data.push(step.bytes), data)
            content.push(...step.bytes)
            break
          case 'pushText':
            data.push(step.text)
            content.push(...Buffer.from(step.text))
            break
          case 'pushData': {
            const other = step.other % real.length
            data.push(real[other] as Data)
            content.push(...[...(model[other] as number[])])
            break
          }
          case 'shift':
            add(data.shift(step.count), content.splice(0, Math.max(0, step.count)))
            break
          case 'shiftTo': {
            const found = content.indexOf(step.byte)
            add(
              data.shiftTo(byte => byte === step.byte),
              content.splice(0, found < 0 ? content.length : found + 1),
            )
            break
          }
          case 'shiftWhile': {
            const end = content.findIndex(byte => byte > step.byte)
            add(
              data.shiftWhile(byte => byte <= step.byte),
              content.splice(0, end < 0 ? content.length : end),
            )
            break
          }
          case 'clone':
            add(data.clone(), content)
            break
          case 'wrap':
            add(new Data(data), content)
            break
          case 'keep':
            t.is(data.keep(), data)
            t.false(data.borrowed)
            break
        }
        for (const [index, each] of real.entries()) {
          t.is(each.size, (model[index] as number[]).length)
          t.deepEqual(each.toArray(), model[index])
          t.deepEqual([...each.bytes()], model[index])
        }
      }
    }),
    { numRuns: 300 },
  )
})

test('content is text in an encoding, bytes, numbers, another Data, or nothing', t => {
  t.is(new Data().size, 0)
  t.is(new Data('grüße').size, 7)
  t.is(new Data('grüße').toString(), 'grüße')
  t.is(new Data('6869', 'hex').toString(), 'hi')
  t.is(new Data('aGk=', 'base64').toString(), 'hi')
  t.is(new Data('hi').toString('hex'), '6869')
  t.is(new Data('hi').toString('base64'), 'aGk=')
  t.is(new Data('\u00ff', 'latin1').size, 1)
  t.deepEqual(new Data([1, 2, 3]).toArray(), [1, 2, 3])
  t.deepEqual(new Data(new Uint8Array([1, 2])).toArray(), [1, 2])
  t.deepEqual(new Data(new Uint8Array([1, 2]).buffer).toArray(), [1, 2])
  t.is(Data.from('x').push('y').toString(), 'xy')
  t.is(new Data('x').type, 'Data')
})

test('bytes given are copied: who gave them may change them', t => {
  const given = new Uint8Array([1, 2, 3])
  const data = new Data(given)
  const pushed = new Data().push(given)
  given.fill(9)
  t.deepEqual(data.toArray(), [1, 2, 3])
  t.deepEqual(pushed.toArray(), [1, 2, 3])
})

test('borrowed bytes change with their memory until they are kept', t => {
  const memory = Buffer.from('abcdef')
  const data = Data.borrow(memory, 1, 4)
  const clone = data.clone()
  memory.write('XXXXXX')
  t.is(data.toString(), 'XXX')
  data.keep()
  memory.write('YYYYYY')
  t.is(data.toString(), 'XXX')
  t.is(clone.toString(), 'YYY')
  t.true(clone.borrowed)
  t.is(data.start, 0)
})

test('keep of bytes that are its own copies nothing', t => {
  const data = new Data('abc')
  const { buffer } = data
  t.is(data.keep().buffer, buffer)
})

test('pushing to borrowed bytes makes them its own', t => {
  const memory = Buffer.from('ab')
  const data = Data.borrow(memory, 0, 2).push('c')
  memory.fill('x')
  t.is(data.toString(), 'abc')
  t.false(data.borrowed)
})

test('a body that arrives in many pieces is copied a few times, not once per piece', t => {
  const data = new Data()
  const memories = new Set<Buffer>()
  for (let i = 0; i < 10_000; i++) {
    data.push('0123456789')
    memories.add(data.buffer)
  }
  t.is(data.size, 100_000)
  t.true(memories.size < 15, `${memories.size} memories`)
})

test('shift takes whole bytes off, whatever number it is given', t => {
  const data = new Data('abcdef')
  t.is(data.shift(2.9).toString(), 'ab')
  t.is(data.shift(-1).toString(), '')
  t.is(data.shift(Number.NaN).toString(), '')
  t.is(data.shift(undefined as never).toString(), '')
  t.is(data.toString(), 'cdef')
  t.is(data.shift(Number.POSITIVE_INFINITY).toString(), 'cdef')
  t.is(data.size, 0)
})

test('all Data have one shape: code that reads them stays fast', t => {
  const shape = (data: Data): string => Object.keys(data).join()
  const all = [
    new Data(),
    new Data('x'),
    new Data(new Uint8Array(1)),
    Data.over(Buffer.from('x')),
    Data.borrow(Buffer.from('x'), 0, 1),
    new Data('x').clone(),
    new Data('x').push('y'),
    new Data('xy').shift(1),
    Data.borrow(Buffer.from('x'), 0, 1).keep(),
  ]
  t.is(new Set(all.map(shape)).size, 1)
})
