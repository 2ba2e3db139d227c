/** SharedMap: values that all threads of a process see. */

import { Worker } from 'node:worker_threads'
import test from 'ava'
import fc from 'fast-check'
import { SharedMap } from '../../../runtime/api/algo/shared-map.ts'
import { SharedCells, sharedCells } from '../../../runtime/shared-cells.ts'
import { SharedHeap } from '../../../runtime/shared-heap.ts'

test.serial('a map gives copies of what was put into it, and maps of one name are one', t => {
  const map = new SharedMap('one')
  const value = { list: [1, 'zwei', null], at: new Date(0) }
  map.set('a', value).set('ключ', 2)
  value.list.push(4)
  const same = new SharedMap('one')
  t.deepEqual(same.get('a'), { list: [1, 'zwei', null], at: new Date(0) })
  t.is(same.get('ключ'), 2)
  t.is(same.size, 2)
  t.deepEqual(same.keys().sort(), ['a', 'ключ'])
  t.true(same.delete('a'))
  t.false(map.has('a'))
  t.false(map.delete('a'))
  t.is(map.get('a'), undefined)
  map.clear()
  t.is(same.size, 0)
})

test.serial('maps whose names and keys look alike are apart', t => {
  const maps = ['', 'a', 'a:', '1:a', 'ab'].map(name => new SharedMap<number>(name))
  maps.forEach((map, i) => {
    map
      .set('', i)
      .set('a', i + 10)
      .set('b', i + 20)
  })
  maps.forEach((map, i) => {
    t.is(map.get(''), i)
    t.is(map.get('a'), i + 10)
    t.is(map.size, 3)
  })
  maps[1]?.clear()
  t.deepEqual(
    maps.map(map => map.size),
    [3, 0, 3, 3, 3],
  )
  for (const map of maps) map.clear()
})

test.serial('it does what a Map does', t => {
  const key = fc.constantFrom('a', 'b', 'c', 'toString', '', '😀')
  const step = fc.oneof(
    fc.tuple(fc.constant('set' as const), key, fc.jsonValue()),
    fc.tuple(fc.constant('delete' as const), key),
    fc.tuple(fc.constant('get' as const), key),
    fc.tuple(fc.constant('clear' as const)),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), steps => {
      const shared = new SharedMap('model')
      const plain = new Map<string, unknown>()
      for (const [what, at, value] of steps) {
        if (what === 'set') {
          shared.set(at, value)
          plain.set(at, value)
        } else if (what === 'delete') t.is(shared.delete(at), plain.delete(at))
        else if (what === 'get') t.deepEqual(shared.get(at), plain.get(at))
        else {
          shared.clear()
          plain.clear()
        }
        t.is(shared.size, plain.size)
      }
      shared.clear()
    }),
  )
})

test.serial('memory that was given back is used again, and a full one is told', t => {
  const heap = new SharedHeap()
  const key = (name: string): Buffer => Buffer.from(name)
  for (let i = 0; i < 200; i++) heap.set(key('large'), new Uint8Array(1_000_000))
  t.is(heap.get(key('large'))?.length, 1_000_000)
  const fill = (): void => {
    for (let i = 0; i < 100; i++) heap.set(key(`k${i}`), new Uint8Array(1_000_000))
  }
  t.throws(fill, { code: 'Overloaded' })
  heap.clear(key('k'))
  t.is(heap.keys(key('')).length, 1)
  t.throws(fill, { code: 'Overloaded' })
  t.is(heap.get(key('large'))?.length, 1_000_000)
  t.throws(() => heap.set(key('x'), new Uint8Array(20_000_000)), { code: 'Overloaded' })
})

test.serial('what cannot be copied is refused', t => {
  t.throws(() => new SharedMap('f').set('f', () => {}), { code: 'RuntimeError', message: /to other threads/ })
  t.throws(() => new SharedMap(7 as never), { code: 'BadOption', message: /wants a name, and got 7/ })
})

test.serial('threads that write at the same time lose nothing', async t => {
  const memory = SharedCells.allocate()
  sharedCells.attach(memory)
  const module = new URL('../../../runtime', import.meta.url).href
  const source = `
    import { parentPort, workerData } from 'node:worker_threads'
    const { sharedCells } = await import('${module}/shared-cells.ts')
    const { SharedMap } = await import('${module}/api/algo/shared-map.ts')
    sharedCells.attach(workerData.memory)
    const map = new SharedMap('threads')
    for (let i = 0; i < 2000; i++) {
      map.set(workerData.name + i, { i })
      map.set('both', workerData.name.repeat(i % 50))
      if (i % 2) map.delete(workerData.name + i)
    }
    parentPort.postMessage('done')`
  await Promise.all(
    ['a', 'b', 'c'].map(
      name =>
        new Promise((resolve, reject) => {
          const url = new URL(`data:text/javascript,${encodeURIComponent(source)}`)
          new Worker(url, { workerData: { memory, name } }).once('message', resolve).once('error', reject)
        }),
    ),
  )
  const map = new SharedMap('threads')
  t.is(map.size, 3 * 1000 + 1)
  for (const name of ['a', 'b', 'c']) for (let i = 0; i < 2000; i += 2) t.deepEqual(map.get(name + i), { i })
})
