import { Buffer } from 'node:buffer'
import test from 'ava'
import { keepBytes, letGo } from '../../runtime/kept-bytes.ts'

const bytesOf = (n: number, length: number): Buffer => Buffer.alloc(length, n & 0xff)

test('copies stay what they were, whatever was let go before', t => {
  const held: { copy: Buffer; n: number }[] = []
  for (let n = 0; n < 3000; n++) {
    const length = (n * 397) % 9000
    held.push({ copy: keepBytes(bytesOf(n, length + 10), length), n })
    if (n % 3 !== 0) letGo(held.splice((n * 7) % held.length, 1)[0]?.copy as Buffer)
  }
  for (const { copy, n } of held) {
    const expected = bytesOf(n, (n * 397) % 9000)
    if (!copy.equals(expected)) t.fail(`copy ${n}`)
  }
  t.is(held.length, 1000)
})

test('memory is used again when all in it was let go', t => {
  const used = new Set<ArrayBufferLike>()
  for (let n = 0; n < 2000; n++) {
    const copy = keepBytes(bytesOf(n, 8000))
    used.add(copy.buffer)
    letGo(copy)
  }
  t.true(used.size <= 3, `${used.size} pieces`)
})

test('what is large has memory of its own', t => {
  const copy = keepBytes(bytesOf(1, 1024 * 1024))
  t.is(copy.buffer.byteLength, 1024 * 1024)
  t.deepEqual(copy, bytesOf(1, 1024 * 1024))
  letGo(copy)
})
