/** Scripts of several files: `use`, `import`, `export`, `pipy.solve`, and the variables of each module. */

import type { ExecutionContext } from 'ava'
import test from 'ava'
import { Data, Message, sluice } from '../../actors/index.ts'
import { loadFirstGeneration } from '../support/dialect.ts'
import { openStream, type TestProgram, testProgram } from '../support/stream.ts'

// Which script's folder names of files are relative to is known to the thread: one after the other.
const serial = test.serial

const load = (t: ExecutionContext, files: Readonly<Record<string, string>>): TestProgram =>
  testProgram(t, loadFirstGeneration(t, files))

serial('use sends the stream through a pipeline of another file', t => {
  const { open } = load(t, {
    'main.js': "pipy().pipeline('main').use('shout.js', 'up').replaceData(d => new Data('<' + d + '>'))",
    'shout.js': "pipy().pipeline('up').replaceData(d => new Data(d.toString().toUpperCase()))",
  })
  t.deepEqual(open().feed('a').end().output, ['<A>', '|'])
})

serial('private variables of two modules are two, though they have the same name', t => {
  const { open } = load(t, {
    'main.js':
      "pipy({ _x: 'main' }).pipeline('main').use('other.js', 'go').replaceData(d => new Data(d + _x))",
    'other.js': "pipy({ _x: 'other' }).pipeline('go').replaceData(d => (_x += '!', new Data(d + _x)))",
  })
  const stream = open().feed('a')
  t.deepEqual(stream.output, ['aother!main'])
  t.is(stream.context._x, 'main')
  t.is(stream.context['other.js._x'], 'other!')
})

serial('what one module exports is the same variable in those that import it, whoever is read first', t => {
  const { open } = load(t, {
    'main.js': `
      pipy({ _done: false })
      .export('proxy', { __target: 'none' })
      .import({ __user: 'auth' })
      .pipeline('main')
        .use(['auth.js', 'route.js'], 'request')
        .replaceData(d => new Data(d + __user + __target))`,
    'auth.js':
      "pipy({ _done: 1 }).export('auth', { __user: '' }).pipeline('request').handleData(d => __user = 'bob')",
    'route.js':
      "pipy().import({ __target: 'proxy', __user: 'auth' }).pipeline('request').handleData(() => __target = 'to-' + __user)",
  })
  t.deepEqual(open().feed('a').output, ['abobto-bob'])
})

serial('namespaces that export the same name are apart', t => {
  const { open } = load(t, {
    'main.js': `
      pipy()
      .import({ __v: 'b' })
      .pipeline('main').use(['a.js', 'b.js'], 'go').replaceData(() => new Data(__v))`,
    'a.js': "pipy().export('a', { __v: 'a' }).pipeline('go').handleData(() => __v = 'A')",
    'b.js': "pipy().export('b', { __v: 'b' }).pipeline('go').handleData(() => __v += 'B')",
  })
  t.deepEqual(open().feed('x').output, ['bB'])
})

serial('a context that is cloned has its own copy of the variables of all modules', t => {
  const { open } = load(t, {
    'main.js': "pipy().pipeline('main').demux().to($ => $.use('count.js', 'go'))",
    'count.js': "pipy({ _n: 0 }).pipeline('go').replaceMessageBody(() => (_n++, new Data(String(_n))))",
  })
  const one = new Data('x')
  t.deepEqual(open().feed(...messages(one, one)).output, ['<', '1', '>', '<', '1', '>'])
})

serial('a stream goes up through all modules and down again, and turns where it is told to', t => {
  const plugin = (name: string) => `
    pipy({ _name: '${name}' })
    .import({ __path: 'main', __turn: 'main' })
    .pipeline('request').handleData(d => (__path += '^' + _name, d.toString() === _name && (__turn = true)))
    .pipeline('response').handleData(() => __path += 'v' + _name)`
  const { open } = load(t, {
    'main.js': `
      pipy()
      .export('main', { __path: '', __turn: false })
      .pipeline('main')
        .use(['a.js', 'none.js', 'b.js', 'c.js'], 'request', 'response', () => __turn)
        .replaceData(() => new Data(__path))`,
    'a.js': plugin('a'),
    'b.js': plugin('b'),
    'c.js': plugin('c'),
    'none.js': "pipy().pipeline('something else')",
  })
  t.deepEqual(open().feed('x').end().output, ['^a^b^cvcvbva', '|'])
  t.deepEqual(open().feed('b').output, ['^a^bvbva'])
  t.deepEqual(open().feed('a').end().output, ['^ava', '|'])
})

serial('without pipelineDown, what is turned down comes out', t => {
  const { open } = load(t, {
    'main.js': "pipy({ _no: true }).pipeline('main').use(['a.js'], 'go', () => _no)",
    'a.js': "pipy().pipeline('go').replaceData(() => new Data('never'))",
  })
  t.deepEqual(open().feed('x').output, ['x'])
})

serial('a module of the first generation finds its arguments in __argv', t => {
  const files = {
    'log.js': "pipy().pipeline('go').replaceData(() => new Data(JSON.stringify(__argv)))",
  }
  const run = (text: string): string[] =>
    load(t, { ...files, 'main.js': `pipy({ _a: 7 }).pipeline('main').use('log.js', 'go'${text})` })
      .open()
      .feed('x').output
  t.deepEqual(run(", 'a', 2"), ['["a",2]'])
  t.deepEqual(run(", ['b', 3]"), ['["b",3]'])
  t.deepEqual(run(', () => _a'), ['[7]'])
  t.deepEqual(run(', () => [_a, 8]'), ['[7,8]'])
  t.deepEqual(run(''), ['[]'])
})

serial('chain takes modules, and enters each by its pipeline without a name', t => {
  const { open } = load(t, {
    'main.js': "pipy().pipeline('main').chain(['a.js', 'b.js'])",
    'a.js':
      'pipy().pipeline().replaceData(d => new Data(d + "a")).chain().replaceData(d => new Data(d + "z"))',
    'b.js': 'pipy().pipeline().replaceData(d => new Data(d + "b"))',
  })
  t.deepEqual(open().feed('x').output, ['xabz'])
})

serial('modules that use each other are read once', t => {
  const { open, program } = load(t, {
    'main.js':
      "pipy().pipeline('main').use('a.js', 'go').pipeline('back').replaceData(d => new Data(d + 'm'))",
    'a.js': "pipy().listen(0).dummy().pipeline('go').use('b.js', 'go')",
    'b.js': "pipy().listen(1234).use('a.js', 'go').pipeline('go').replaceData(d => new Data(d + 'b'))",
  })
  t.deepEqual(open().feed('x').output, ['xb'])
  t.is(program.sources.length, 1, 'listeners of modules count, but for those without a port')
})

serial('pipy.solve gives the value of another file, once', t => {
  const { open } = load(t, {
    'main.js': `
      ((config = pipy.solve('config/main.js')) =>
        pipy({ _same: pipy.solve('config/main.js') === config })
        .pipeline('main').replaceData(d => new Data(config.shout(d.toString()) + _same)))()`,
    'config/main.js': "({ shout: text => text.toUpperCase() + pipy.solve('config/end.js') })",
    'config/end.js': "'!'",
  })
  t.deepEqual(open().feed('x').output, ['X!true'])
})

serial('files that are missing, and those that solve themselves, are told with the place', t => {
  const failing = (files: Record<string, string>): Error => t.throws(() => load(t, files)) as Error
  const use = failing({ 'main.js': "pipy()\n.pipeline('main')\n  .use('no.js', 'x')" })
  t.regex(use.message, /use finds no module 'no.js'/)
  t.regex(use.stack ?? '', /main\.js:3/)
  t.regex(failing({ 'main.js': "pipy.solve('no.js'), pipy()" }).message, /finds no file 'no.js'/)
  t.regex(
    failing({ 'main.js': "pipy.solve('a.js'), pipy()", 'a.js': "pipy.solve('a.js')" }).message,
    /solved by what it solves itself/,
  )
  t.regex(
    failing({ 'main.js': "pipy().pipeline('main').use('a.js', 'b')", 'a.js': "pipy().pipeline('c')" })
      .message,
    /'b' in module a\.js/,
  )
  const inner = failing({
    'main.js': "pipy().pipeline('main').use('a.js', 'b')",
    'a.js': "\npipy().pipeline('b').link('no')",
  })
  t.regex(inner.stack ?? '', /a\.js:2/)
})

serial('an import that nobody exports is told, with what was meant', t => {
  const files = {
    'main.js':
      "pipy()\n.import({ __targt: 'proxy' })\n.pipeline('main').use('a.js', 'go').replaceData(() => __targt)",
    'a.js': "pipy().export('proxy', { __target: 1 }).pipeline('go').dummy()",
  }
  const error = t.throws(() => load(t, files)) as Error
  t.regex(error.message, /no module exports '__targt' as 'proxy'; did you mean '__target'/)
  t.regex(error.stack ?? '', /main\.js:2/)
})

serial('a name cannot leave the folder of the script', t => {
  const error = t.throws(() =>
    load(t, { 'main.js': "pipy().pipeline('main').use('../../etc/hosts', 'x')" }),
  ) as Error
  t.regex(error.message, /use finds no module/)
})

test('modules of TypeScript are used as they are imported, and share variables by name', t => {
  const auth = sluice({ secret: 's' })
    .export('auth', { user: '' })
    .pipeline('request')
    .handleData((data, ctx) => {
      ctx.user = `${data}${ctx.secret}`
    })
  const main = sluice({ own: 1 })
    .import<{ user: string }>({ user: 'auth' })
    .pipeline('main')
    .use(auth, 'request')
    .replaceData((_, ctx) => new Data(ctx.user + ctx.own))
  t.deepEqual(openStream(t, main).feed('a').output, ['as1'])
})

test('modules of TypeScript may not have two variables of one name', t => {
  const other = sluice({ target: 1 }).pipeline('x').dummy()
  const main = sluice({ target: 2 }).pipeline('main').use([other], 'x')
  t.throws(() => testProgram(t, main), { message: /two modules have a variable 'target'/ })
  t.throws(
    () =>
      testProgram(
        t,
        sluice()
          .pipeline('main')
          .use('x.js' as never, 'x'),
      ),
    { message: /no module 'x.js'/ },
  )
  t.throws(() => sluice().export('a', null as never), { message: /export wants a namespace/ })
  t.throws(() => sluice().import({ a: 1 } as never), { message: /import wants the namespace/ })
})

const messages = (...bodies: Data[]): Message[] => bodies.map(body => new Message({}, body))
