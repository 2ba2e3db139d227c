/** Filters that run processes, and read and write files. */

import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { Data, Message, sluice } from '../../actors/index.ts'
import { makeFolder } from '../support/sluice.ts'
import { openStream, testProgram } from '../support/stream.ts'

test('exec gives the bytes to a process, and puts out what it writes, then the end', async t => {
  const stream = openStream(t, sluice().pipeline('main').exec('tr a-z A-Z'))
  stream.feed('hello ', new Message('world')).end()
  t.is((await stream.ended()).error, '')
  t.deepEqual(stream.output, ['HELLO WORLD', '|'])
})

test('exec starts nothing for a stream that ends at once', t => {
  t.deepEqual(openStream(t, sluice().pipeline('main').exec('false')).end('ReadError').output, ['|ReadError'])
})

test('exec takes words, a callback and variables, and tells of start and exit', async t => {
  const told: unknown[] = []
  const script = sluice({ word: 'x' })
    .pipeline('main')
    .exec(ctx => ['sh', '-c', `echo "$GREETING ${ctx.word}"; echo oops >&2; exit 3`], {
      env: { GREETING: 'hi' },
      onStart: pid => told.push(pid > 0),
      onExit: (code, stderr, ctx) => {
        told.push(code, stderr.toString(), ctx.word)
        return new Data('bye')
      },
    })
  const stream = openStream(t, script).feed('')
  await stream.ended()
  t.is(stream.text, 'hi x\nbye')
  t.deepEqual(told, [true, 3, 'oops\n', 'x'])
})

test('exec puts out what the process says of errors when it is asked to', async t => {
  const stream = openStream(
    t,
    sluice().pipeline('main').exec(['sh', '-c', 'echo oops >&2'], { stderr: true }),
  )
  await stream.feed('').ended()
  t.is(stream.text, 'oops\n')
})

test('a process that cannot be started ends the stream', async t => {
  const end = await openStream(t, sluice().pipeline('main').exec('/no/such/program')).feed('x').ended()
  t.is(end.error, 'RuntimeError')
  t.regex(end.reason, /could not start "\/no\/such\/program"/)
})

test('a process that does not read pauses the source, and one that ends lets it go', async t => {
  const stream = openStream(
    t,
    sluice().pipeline('main').exec(['sh', '-c', 'read line; exec 0<&-; echo done']),
  )
  stream.feed('x'.repeat(1024 * 1024))
  t.true(stream.source.isPaused)
  stream.feed('\n')
  stream.close()
  t.false(stream.source.isPaused)
})

test('a process ends when its stream is closed', async t => {
  let pid = 0
  const script = sluice()
    .pipeline('main')
    .exec('sleep 60', {
      onStart: id => {
        pid = id
      },
    })
  openStream(t, script).feed('').close()
  for (;;) {
    try {
      process.kill(pid, 0)
    } catch {
      break
    }
    await new Promise(resolve => setTimeout(resolve, 5))
  }
  t.pass()
})

test('exec refuses what is no command', t => {
  for (const command of ['', [], [1], undefined])
    t.throws(
      () =>
        testProgram(
          t,
          sluice()
            .pipeline('main')
            .exec(command as never),
        ),
      {
        message: /exec wants a command/,
      },
    )
})

test('read puts out the bytes of a file, then the end', async t => {
  const path = join(makeFolder(t, { 'a.txt': 'hello world' }), 'a.txt')
  const stream = openStream(t, sluice().pipeline('main').read(path)).feed('x', 'y')
  await stream.ended()
  t.deepEqual(stream.output, ['hello world', '|'])
  const part = openStream(
    t,
    sluice({ path })
      .pipeline('main')
      .read(ctx => ctx.path, { seek: 6, size: 3 }),
  ).feed(new Message('x'))
  await part.ended()
  t.deepEqual(part.output, ['<', 'wor', '>', '|'])
})

test('read gives an empty file as nothing, and one that is not there as ReadError', async t => {
  const path = join(makeFolder(t, { empty: '' }), 'empty')
  const empty = openStream(t, sluice().pipeline('main').read(path)).feed('x')
  await empty.ended()
  t.deepEqual(empty.output, ['|'])
  const missing = openStream(t, sluice().pipeline('main').read(`${path}.not`)).feed('x')
  t.is((await missing.ended()).error, 'ReadError')
  t.deepEqual(openStream(t, sluice().pipeline('main').read(path)).end().output, ['|'])
})

test('read is paused by what it sends to', async t => {
  const path = join(makeFolder(t), 'large')
  writeFileSync(path, 'x'.repeat(10 * 1024 * 1024))
  const stream = openStream(t, sluice().pipeline('main').read(path).throttleDataRate(1000)).feed('x')
  await stream.next(event => event.kind === 0)
  t.is(stream.text.length, 1000)
  stream.close()
})

test('tee writes the bytes to a file and passes all events on', async t => {
  const path = join(makeFolder(t), 'copy')
  const { open } = testProgram(t, sluice().pipeline('main').tee(path))
  const one = open().feed('a', new Message('b'))
  const two = open().feed('c').end()
  t.deepEqual(one.output, ['a', '<', 'b', '>'])
  t.deepEqual(two.output, ['c', '|'])
  one.close()
  two.close()
  await until(() => read(path) === 'abc')
  const three = open().feed('d')
  three.close()
  await until(() => read(path) === 'abcd')
  t.pass()
})

test('tee begins a file anew, unless it is to append', async t => {
  const path = join(makeFolder(t, { copy: 'old ' }), 'copy')
  openStream(t, sluice().pipeline('main').tee(path, { append: true }))
    .feed('new')
    .close()
  await until(() => read(path) === 'old new')
  openStream(t, sluice().pipeline('main').tee(path)).feed('only').close()
  await until(() => read(path) === 'only')
  t.pass()
})

test('tee puts files aside that are large, and keeps so many', async t => {
  const folder = makeFolder(t)
  const path = join(folder, 'log')
  const stream = openStream(t, sluice().pipeline('main').tee(path, { maxFileSize: 4, maxFileCount: 3 }))
  for (const text of ['1111', '2222', '33', '44', '5555']) {
    stream.feed(text)
    await until(() => readdirSync(folder).some(name => read(join(folder, name)).endsWith(text)))
  }
  t.deepEqual(
    readdirSync(folder).map(name => [name, read(join(folder, name))]),
    [
      ['log', '5555'],
      ['log.1', '3344'],
      ['log.2', '2222'],
    ],
  )
  stream.close()
})

test('a file that cannot be written is told in the log, and the stream goes on', async t => {
  const { open, logs } = testProgram(t, sluice().pipeline('main').tee('/no/such/folder/file'))
  const stream = open().feed('a')
  await until(() => logs.length > 0)
  t.is(logs[0]?.code, 'WriteError')
  t.deepEqual(stream.feed('b').output, ['ab'])
})

const read = (path: string): string => {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

/** The file system tells nobody when it has written. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise(resolve => setTimeout(resolve, 5))
}
