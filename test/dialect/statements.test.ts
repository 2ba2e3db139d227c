/** Scripts of Pipy's third generation: statements, variables of each context as `var $name`, and ES modules. */

import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import ava from 'ava'
import { builderMethods, definitionOf } from '../../actors/script/builder.ts'
import { dialectGlobals, dialectModuleGlobals } from '../../actors/script/dialect-globals.ts'
import { loadScript } from '../../runtime/script/loader.ts'
import { type RunningScript, runScript } from '../support/run-script.ts'
import { makeFolder, runSluice, startSluice } from '../support/sluice.ts'
import { TcpClient } from '../support/tcp-client.ts'

// Which script's folder names of files are relative to is known to the thread: one after the other.
const test = ava.serial

type Files = Readonly<Record<string, string>>

/** What scripts hand to their tests. */
const seen: { value: unknown } = { value: undefined }

async function load(t: ExecutionContext, main: string, files: Files = {}): Promise<unknown> {
  const { value } = await loadScript(join(makeFolder(t, { ...files, 'main.js': main }), 'main.js'), {
    generation: 1,
    dialectGlobals: { ...dialectGlobals, seen },
    moduleGlobals: dialectModuleGlobals,
    sluiceModule: new URL('../../actors/index.ts', import.meta.url).href,
    isBuilder: given => definitionOf(given) !== undefined,
    methods: builderMethods,
  })
  return value
}

const run = async (t: ExecutionContext, main: string, files?: Files): Promise<RunningScript> =>
  runScript(t, await load(t, main, files))

const ask = async (port: number | undefined, path = '/'): Promise<string> =>
  (await fetch(`http://127.0.0.1:${port}${path}`, { headers: { connection: 'close' } })).text()

test('pipy.listen begins a pipeline, written in place or beforehand, with options or without', async t => {
  const { ports } = await run(
    t,
    `
    var hello = pipeline($=>$.serveHTTP(() => new Message(greeting())))
    pipy.listen('127.0.0.1:0', hello)
    pipy.listen('127.0.0.1:00', 'tcp', { idleTimeout: 5 }, $=>$.serveHTTP(new Message('two')))
    pipy.listen(0, hello)
    pipy.listen(undefined, $=>$.serveHTTP(new Message('none')))
    function greeting() {
      return 'one'
    }
    `,
  )
  t.is(ports.length, 2)
  t.deepEqual([await ask(ports[0]), await ask(ports[1])], ['one', 'two'])
})

test('var $name is a variable of each context, which begins with what the script gave it', async t => {
  const { port } = await run(
    t,
    `
    var count = 0
    var $mine = 10, $other
    pipy.listen('127.0.0.1:0', $=>$
      .handleData(() => { $mine++; count++; $other ??= count })
      .replaceData(d => d.size > 0 ? new Data([$mine, $other, count].join()+';') : undefined)
    )
    `,
  )
  const [a, b] = [await TcpClient.connect(port), await TcpClient.connect(port)]
  t.teardown(() => {
    a.destroy()
    b.destroy()
  })
  a.write('x')
  const first = await a.read(/;/)
  b.write('x')
  const second = await b.read(/;/)
  t.is(first.split(',')[0], second.split(',')[0], 'both began with 10')
  t.not(first, second, 'and what has no $ is shared')
})

test('spawn gives onStart its arguments, and what onEnd gives; process feeds events and gives what comes out', async t => {
  await run(
    t,
    `
    var $got
    var work = pipeline($=>$
      .onStart((a, b) => void ($got = a + b))
      .replaceStreamStart(new StreamEnd)
      .onEnd(() => $got)
    )
    var upper = pipeline($=>$.replaceData(d => new Data(d.toString().toUpperCase())))
    seen.value = Promise.all([
      work.spawn('a', 'b'),
      work.spawn('c', 'd'),
      upper.process(new Data('one '), new Data('two')),
      pipeline($=>$.replaceMessage(m => new Message('re: ' + m.body))).process(new Message('x')),
    ])
    `,
  )
  const [a, c, bytes, message] = (await seen.value) as [string, string, object, { body: object }]
  t.deepEqual([a, c, String(bytes), String(message.body)], ['ab', 'cd', 'ONE TWO', 're: x'])
})

test('a spawned pipeline begins with the values of the callback that spawns it, and keeps its own', async t => {
  const { port } = await run(
    t,
    `
    var $name = 'root'
    var inner = pipeline($=>$
      .onStart(() => { var was = $name; $name = 'inner'; return [new Data(was), new StreamEnd] })
      .onEnd(() => $name)
    )
    pipy.listen('127.0.0.1:0', $=>$.serveHTTP(req => {
      $name = req.head.path
      return inner.spawn().then(result => new Message($name + ' ' + result))
    }))
    `,
  )
  t.is(await ask(port, '/a'), '/a inner')
})

test('modules import and export, defaults and names, also in a circle', async t => {
  const { port } = await run(
    t,
    `
    import config, { suffix as end } from './lib/config.js'
    import * as all from '/lib/all.js'
    import { join } from 'node:path'
    var main = pipy.import('./lib/main.js').default
    pipy.listen(config.listen, $=>$.pipe(main))
    export var name = 'main'
    seen.value = [end, Object.keys(all).sort(), join('a', 'b'), all.default()]
    `,
    {
      'lib/config.js': "export default ({ listen: '127.0.0.1:0' })\nexport var suffix = '!'",
      'lib/all.js':
        "export * from './config.js'\nexport { suffix as tail } from './config.js'\nexport default function () { return 'all' }\nexport class Thing {}",
      'lib/main.js':
        "import { name } from '../main.js'\nexport default pipeline($=>$.serveHTTP(() => new Message(name)))",
    },
  )
  t.is(await ask(port), 'main')
  t.deepEqual(seen.value, ['!', ['Thing', 'default', 'suffix', 'tail'], 'a/b', 'all'])
})

test('plugins in a chain have variables of the same name, each its own, and are given the same arguments', async t => {
  const plugin = (mark: string): string => `
    var $ctx
    var $own = '${mark}'
    export default pipeline($=>$
      .onStart(ctx => void ($ctx = ctx))
      .handleMessageStart(() => $ctx.path.push($own))
      .pipe(() => 'go', { go: $=>$.pipeNext() })
    )`
  const { port } = await run(
    t,
    `
    var $ctx
    var plugins = ['a', 'b'].map(name => pipy.import('./' + name + '.js').default)
    pipy.listen('127.0.0.1:0', $=>$
      .demuxHTTP().to($=>$
        .onStart(() => void ($ctx = { path: [] }))
        .pipe([...plugins, pipeline($=>$.replaceMessage(() => new Message('x')))], () => $ctx)
        .replaceMessage(() => new Message($ctx.path.join()))
      )
    )`,
    { 'a.js': plugin('a'), 'b.js': plugin('b') },
  )
  t.is(await ask(port), 'a,b')
  t.is(await ask(port), 'a,b')
})

test('a function may declare variables of each context, apart from those of others', async t => {
  const { ports } = await run(
    t,
    `
    var $name = 'top'
    serve('one')
    serve('two', 0)
    function serve(answer, zero) {
      var $name
      if (true) { var $path = answer }
      pipy.listen('127.0.0.1:' + (zero === undefined ? '0' : '00'), $=>$
        .demuxHTTP().to($=>$
          .handleMessageStart(m => ($name = answer, $path = m.head.path))
          .replaceMessage(() => new Message($name + $path + top()))))
    }
    function top() { return $name }
    `,
  )
  t.deepEqual([await ask(ports[0], '/a'), await ask(ports[1], '/b')], ['one/atop', 'two/btop'])
})

test('a script may end itself early, loop over variables of its context, and print nothing', async t => {
  await run(
    t,
    `
    var $each, sum = 0
    for (var $i = 0; $i < 3; $i++) sum += $i
    for (var $each of [10, 20]) sum += $each
    seen.value = sum
    pipy.task($=>$.replaceMessage(new StreamEnd))
    if (sum > 0) return
    seen.value = 'not here'
    `,
  )
  t.is(seen.value, 33)
})

test('pipy.listen with null ends a listener, and while the program runs begins one', async t => {
  const { port, host } = await run(
    t,
    `
    pipy.listen('127.0.0.1:0', $=>$.serveHTTP(() => {
      pipy.listen('127.0.0.1:00', $=>$.serveHTTP(new Message('late')))
      return new Message('first')
    }))
    seen.value = target => pipy.listen('127.0.0.1:00', target)
    `,
  )
  const again = seen.value as (target: unknown) => void
  t.is(await ask(port), 'first')
  while (host.status().listeners.some(each => each.port === 0)) await new Promise(setImmediate)
  const late = host.status().listeners.at(-1)?.port
  t.is(await ask(late), 'late')
  again(null)
  await t.throwsAsync(ask(late))
  t.is(host.status().listeners.length, 1)
  await host.drain(5000)
  again(($: unknown) => $)
  t.is(host.status().listeners.length, 1, 'a program that winds down listens to nobody new')
})

test('pipy.read runs a pipeline over a file, and a file that is not there rejects its promise', async t => {
  const folder = makeFolder(t, { 'input.txt': 'some text' })
  await run(
    t,
    `
    var $all = ''
    seen.value = [
      pipy.read('${folder}/input.txt', $=>$.handleData(d => $all += d).onEnd(() => $all)),
      pipy.read('${folder}/none.txt', $=>$).catch(e => e.code),
    ]
    `,
  )
  t.deepEqual(await Promise.all(seen.value as Promise<string>[]), ['some text', 'ReadError'])
})

test('pipy.exec gives what a command puts out, pipy.list the files of a folder, pipy.exit what is done last', async t => {
  const { host } = await run(
    t,
    `
    pipy.task($=>$.replaceMessage(new StreamEnd))
    seen.value = [
      pipy.exec('echo one two').toString(),
      pipy.exec(['cat'], { stdin: new Data('in') }).toString(),
      pipy.list('conf'),
      pipy.list('/none'),
    ]
    pipy.exit(() => seen.value = 'over')
    `,
    { 'conf/b.json': '{}', 'conf/a/c.json': '{}' },
  )
  t.deepEqual(seen.value, ['one two\n', 'in', ['a/c.json', 'b.json'], []])
  await host.drain(5000)
  t.is(seen.value, 'over')
})

for (const [what, main, message] of [
  [
    'exported',
    'export var $x = 1\npipy.listen(0, $=>$)',
    /\$x is a variable of each context, and cannot be exported/,
  ],
  ['declared in a pattern', 'var { $x } = {}\npipy.listen(0, $=>$)', /cannot be declared in a pattern/],
] as const)
  test(`a variable of each context that is ${what} is refused`, async t => {
    await t.throwsAsync(load(t, main), { message })
  })

test('what is imported cannot be assigned, and a file that is not there is told', async t => {
  const files = { 'x.js': 'export var a = 1' }
  await t.throwsAsync(load(t, "import { a } from './x.js'\na = 2\npipy.listen(0, $=>$)", files), {
    message: /a cannot be assigned: it belongs to another module/,
  })
  await t.throwsAsync(load(t, "import { a } from './y.js'\npipy.listen(0, $=>$.x(a))", files), {
    message: /imports '.\/y.js', and there is no such file/,
  })
})

test('pipy.listen without a pipeline is an error with its line', async t => {
  await t.throwsAsync(load(t, '\npipy.listen(8000)'), {
    message: /main\.js:2[\s\S]*wants a port and a pipeline/,
  })
  await t.throwsAsync(load(t, 'pipy.listen(8000, 7)'), { message: /wants a pipeline last/ })
})

for (const [filter, context] of [
  ['$.pipe($=>$SUB)', 'shared'],
  ['$.branch(() => true, $=>$SUB)', 'shared'],
  ['$.fork().to($=>$SUB)', 'shared'],
  ['$.fork([1]).to($=>$SUB)', 'cloned'],
  ['$.forkJoin([1]).to($=>$SUB)', 'cloned'],
  ['$.demux().to($=>$SUB)', 'cloned'],
  ['$.demuxQueue().to($=>$SUB)', 'cloned'],
  ['$.mux(() => 1).to($=>$SUB)', 'cloned'],
  ['$.muxQueue(() => 1).to($=>$SUB)', 'cloned'],
  ['$.repeat(() => false).to($=>$SUB)', 'shared'],
] as const)
  test(`${filter.replace('$=>$SUB', '…')}: variables of each context are ${context}`, async t => {
    const sub = '$=>$.handleMessageStart(() => { saw = $n; $n = 7; $list.push("below") })'
    await run(
      t,
      `
      var $n = 0, $list, saw
      seen.value = pipeline($=>$
        .onStart(() => { $n = 1; $list = [] })
        .handleMessageStart(() => { $n = 2 })
        .${filter.replace('$=>$SUB', sub).slice(2)}
        .onEnd(() => [saw, $n, $list.join()])
      ).process(new Message('x'))
      `,
    )
    t.deepEqual(await seen.value, [2, context === 'shared' ? 7 : 2, 'below'])
  })

for (const filter of ['fork', 'forkJoin'])
  test(`${filter}(Array(3)) has three branches, though nothing is in them`, async t => {
    await run(
      t,
      `
      var branches = []
      seen.value = pipeline($=>$
        .${filter}(Array(3)).to($=>$
          .onStart((each, index) => void branches.push([each, index]))
          .replaceMessage(new StreamEnd)
        )
        .onEnd(() => branches)
      ).process(new Message('x'))
      `,
    )
    t.deepEqual(await seen.value, [
      [undefined, 0],
      [undefined, 1],
      [undefined, 2],
    ])
  })

test('all threads and --verify take a script in statements, and one with mistakes is told all of them', async t => {
  const folder = makeFolder(t, {
    'main.js': `
      import { answer } from './answer.js'
      var $path
      pipy.listen('127.0.0.1:0', $=>$
        .demuxHTTP().to($=>$
          .handleMessageStart(m => $path = m.head.path)
          .replaceMessage(() => new Message(answer($path)))
        )
      )`,
    'answer.js': 'export function answer(path) { return pipy.thread.concurrency + path }',
    'wrong.js': `
      pipy.listen(8000, $=>$.decodeHTTPRequests())
      pipeline($=>$.forkk()).spawn()`,
  })
  const sluice = startSluice(t, [join(folder, 'main.js'), '--threads=2'])
  t.is(await ask(await sluice.port(), '/a'), '2/a')
  const { code, stderr } = await runSluice(t, [join(folder, 'wrong.js'), '--verify'])
  t.is(code, 1)
  t.regex(stderr, /decodeHTTPRequests[\s\S]*wrong\.js:2:/)
  t.regex(stderr, /forkk[\s\S]*wrong\.js:3:/)
})

test('a callback that writes a pipeline anew for each spawn is told so before memory runs out', async t => {
  const { logs } = await run(
    t,
    `
    var once = pipeline($=>$.replaceStreamStart(new StreamEnd))
    pipy.task($=>$
      .handleMessageEnd(() => { for (var i = 0; i < 2000; i++) once.spawn(); seen.value = 'once' })
      .handleMessageEnd(() => { for (var i = 0; i < 2000; i++) pipeline($=>$.replaceStreamStart(new StreamEnd)).spawn() })
    )`,
  )
  t.is(seen.value, 'once')
  t.regex(logs.map(each => each.message).join(), /have run 1000 different pipelines; write each once/)
})
