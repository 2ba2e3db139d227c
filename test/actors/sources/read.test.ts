/** read as a source: a pipeline that is fed a file. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { type Data, sluice } from '../../../actors/index.ts'
import { sluice as beginScript } from '../../../actors/script/sluice.ts'
import { runScript } from '../../support/run-script.ts'
import { makeFolder } from '../../support/sluice.ts'

test('a pipeline is fed the bytes of a file, then the end of the stream', async t => {
  const file = join(makeFolder(t, {}), 'large.txt')
  const text = 'line\n'.repeat(100_000)
  writeFileSync(file, text)
  const { promise, resolve } = Promise.withResolvers<void>()
  let bytes = 0
  let lines = 0
  const { host } = await runScript(
    t,
    sluice()
      .read(file)
      .handleData(data => {
        bytes += data.size
      })
      .split('\n')
      .handleMessageStart(() => {
        lines++
      })
      .handleStreamEnd(end => {
        t.is(end.error, '')
        resolve()
      }),
  )
  await promise
  t.is(bytes, text.length)
  t.is(lines, 100_000)
  t.is(host.status().sessions, 0)
})

test('a slow pipeline pauses the reading of the file, and a program that winds down ends it', async t => {
  const file = join(makeFolder(t, {}), 'large.txt')
  writeFileSync(file, Buffer.alloc(4_000_000))
  let bytes = 0
  const first = Promise.withResolvers<void>()
  const open = Promise.withResolvers<void>()
  const { host } = await runScript(
    t,
    sluice()
      .read(file)
      .handleData(data => {
        bytes += data.size
        first.resolve()
      })
      .wait(() => open.promise),
  )
  await first.promise
  for (let last = -1; last !== bytes; ) {
    last = bytes
    await new Promise(setImmediate)
    await new Promise(setImmediate)
  }
  t.true(bytes < 1_000_000, `${bytes} bytes were read`)
  open.resolve()
  await host.drain(5_000)
  t.is(host.status().sessions, 0)
})

test('a file that cannot be read keeps the script from starting', async t => {
  await t.throwsAsync(runScript(t, sluice().read('/no/such/file').print()), { code: 'ReadError' })
  await t.throwsAsync(runScript(t, beginScript().read(7 as never)), {
    message: /read wants the path of a file, and got 7/,
  })
})

test('behind a stream read is the filter', async t => {
  const file = join(makeFolder(t, {}), 'a.txt')
  writeFileSync(file, 'content')
  const { promise, resolve } = Promise.withResolvers<Data>()
  await runScript(t, sluice().task().read(file).handleMessageBody(resolve))
  t.is((await promise).toString(), 'content')
})
