import { spawnSync } from 'node:child_process'
import { existsSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
// One after the other: each starts processes of its own, and some measure how fast they are.
import test from 'ava'
import { helpFilters, listFilters } from '../../cluster/filter-help.ts'
import { count } from '../../runtime/options.ts'
import { makeFolder, makeScript, runSluice, startSluice } from '../support/sluice.ts'

const launcher = fileURLToPath(new URL('../../bin/sluice.js', import.meta.url))

test.serial('--version and --help answer on stdout', async t => {
  t.regex((await runSluice(t, ['-v'])).stdout, /^sluice \d+\.\d+\.\d+ /)
  const help = await runSluice(t, ['--help'])
  t.is(help.code, 0)
  for (const option of [
    '--threads',
    '--transport',
    '--reuse-port',
    '--verify',
    '--log-level',
    '--admin-port',
    '--nats',
    '--cluster',
    '--node',
    '--roles',
  ])
    t.true(help.stdout.includes(option), option)
  t.regex(help.stdout, /SIGHUP/)
})

test.serial('what is longer than a pipe is written whole, however slowly it is read', async t => {
  const { stdout, status } = spawnSync(
    'sh',
    ['-c', `"${process.execPath}" "${launcher}" --help-filters | wc -c`],
    { encoding: 'utf8' },
  )
  t.is(status, 0)
  t.is(Number(stdout), Buffer.byteLength((await runSluice(t, ['--help-filters'])).stdout))
  t.true(Number(stdout) > 65_536, 'longer than a pipe')
})

test.serial('a node that ends waits until its last lines are read', async t => {
  const script = makeScript(
    t,
    `
    import { sluice } from 'sluice'
    export default sluice().task().onStart(() => {
      for (let i = 0; i < 300; i++) console.log(i + 'x'.repeat(1000))
      sluice.exit(0)
    }).dummy()`,
  )
  const { stdout } = spawnSync('sh', ['-c', `"${process.execPath}" "${launcher}" "${script}" 2>&1 | cat`], {
    encoding: 'utf8',
    timeout: 30_000,
  })
  t.is(stdout.match(/"\d+x+"/g)?.length, 300, stdout.slice(-300))
})

for (const [args, message] of [
  [['--thraeds=2'], /Unknown option --thraeds; did you mean --threads\?/],
  [['main.ts', '--verfiy'], /Unknown option --verfiy; did you mean --verify\?/],
  [['main.ts', '--nast=nats://here'], /Unknown option --nast; did you mean --nats\?/],
  [['main.ts', '--nats=http://here'], /'http:\/\/here' is no address of NATS/],
  [['main.ts', '--node=a.b'], /'a\.b' is invalid.*a name of up to 64 letters/],
  [['main.ts', '--cluster='], /a name of up to 64 letters/],
  [['main.ts', '--roles=edge,,log'], /a name of up to 64 letters/],
  [['main.ts', '--heartbeat=never'], /wants seconds/],
  [['main.ts', '--threads=0'], /'0' is invalid.*a number of threads from 1 on, or 'max'/],
  [['main.ts', '--threads'], /--threads.*argument missing/],
  [['main.ts', '--transport=handle'], /one of auto, net/],
  [['main.ts', '--log-level=wran'], /did you mean warn\?/],
  [['main.ts', '--log-level=warn,scirpt=debug'], /did you mean script\?/],
  [['main.ts', '--log-level=warn,script=all'], /one of debug, info, warn, error/],
  [['main.ts', '--otlp=here'], /--otlp wants the URL of a collector/],
  [['main.ts', '--trace-sample=0.1'], /nothing where to: add --otlp/],
  [['main.ts', '--drain-timeout=soon'], /wants seconds/],
  [['main.ts', '--admin-port=here'], /wants a port/],
  [['main.ts', '--admin-port=70000'], /a port from 0 to 65535/],
  [[], /wants a script/],
] as const) {
  test.serial(`refuses: sluice ${args.join(' ')}`, async t => {
    const { code, stdout, stderr } = await runSluice(t, args)
    t.is(code, 2)
    t.is(stdout, '')
    t.regex(stderr, message)
  })
}

test.serial('a script that is not there is told by name, with exit code 1', async t => {
  const { code, stderr } = await runSluice(t, ['/no/such/script.ts'])
  t.is(code, 1)
  t.regex(stderr, /no such file[\s\S]*\/no\/such\/script\.ts/)
})

test.serial('a script that does not load shows file, line, the line, and what to do', async t => {
  const script = makeScript(
    t,
    "import { sluice } from 'sluice'\n\nconst a = undefinedName + 1\nexport default sluice()\n",
  )
  for (const args of [[script], [script, '--verify'], [script, '--threads=2']]) {
    const { code, stderr } = await runSluice(t, args)
    t.is(code, 1)
    t.regex(stderr, /undefinedName is not defined/)
    t.true(stderr.includes(`${script}:3`), stderr)
    t.true(stderr.includes('3 | const a = undefinedName + 1'), stderr)
    t.is(stderr.match(/is not defined/g)?.length, 1, 'told once, not once per thread')
  }
})

test.serial('--verify accepts a script that can be used, and does not run it', async t => {
  const script = makeScript(
    t,
    "import { sluice, Message } from 'sluice'\nexport default sluice().listen('127.0.0.1:0').serveHTTP(() => new Message('hi'))\n",
  )
  const { code, stdout, stderr } = await runSluice(t, [script, '--verify'])
  t.is(code, 0, stderr)
  t.regex(stdout, /can be used/)
  t.false(stderr.includes('Listening'))
})

test.serial('a script without sources says so and ends well', async t => {
  const script = makeScript(t, "import { sluice } from 'sluice'\nexport default sluice()\n")
  const { code, stderr } = await runSluice(t, [script])
  t.is(code, 0, stderr)
  t.regex(stderr, /nothing to do/)
})

test.serial('arguments behind -- are the script’s', async t => {
  const script = makeScript(
    t,
    "import { sluice } from 'sluice'\nprocess.stdout.write(JSON.stringify(process.argv.slice(2)))\nexport default sluice()\n",
  )
  const { stdout } = await runSluice(t, [script, '--threads=1', '--', 'one', '--two=2'])
  t.is(stdout, '["one","--two=2"]')
})

test.serial('the launcher works through a link and from any folder', t => {
  const folder = makeFolder(t)
  const link = join(folder, 'sluice')
  symlinkSync(launcher, link)
  const { stdout, status } = spawnSync(process.execPath, [link, '-v'], { cwd: folder, encoding: 'utf8' })
  t.is(status, 0)
  t.regex(stdout, /^sluice/)
})

const oldNode = ['/usr/local/bin/node', '/usr/bin/node'].find(
  path =>
    existsSync(path) &&
    Number(spawnSync(path, ['-p', 'process.versions.node.split(".")[0]'], { encoding: 'utf8' }).stdout) < 24,
)
const withOldNode = oldNode === undefined ? test.serial.skip : test.serial

withOldNode('on a Node too old the launcher hands over to the one that the package brings', t => {
  const { stdout, status } = spawnSync(oldNode as string, [launcher, '-v'], {
    cwd: makeFolder(t),
    encoding: 'utf8',
  })
  t.is(status, 0)
  t.regex(stdout, /^sluice .*Node v2[4-9]/)
})

withOldNode('on a Node too old signals reach the one that runs, and its exit code comes back', async t => {
  const script = makeScript(
    t,
    "import { sluice } from 'sluice'\nexport default sluice().listen('127.0.0.1:0').connect('127.0.0.1:1')\n",
  )
  const sluice = startSluice(t, [script], { node: oldNode as string })
  await sluice.port()
  sluice.signal('SIGTERM')
  t.deepEqual(await sluice.exited, { code: 0, signal: null })
  t.regex(sluice.stderr, /Draining/)
})

withOldNode('on a Node too old, with none to hand over to, it says which version is needed', t => {
  const { stderr, status } = spawnSync(oldNode as string, [launcher, '-v'], {
    env: { ...process.env, SLUICE_HANDED_OVER: '1' },
    encoding: 'utf8',
  })
  t.is(status, 1)
  t.regex(stderr, /needs Node 24\.12 or newer/)
})

const table = [
  {
    name: 'wait',
    aliases: ['hold'],
    signature: '(until)',
    summary: 'Holds events back.',
    doc: 'Until it is so.',
    accepts: 'any',
    emits: 'same',
    options: { limit: count(4, 'How many.') },
    example: '.wait(ctx => ctx.isReady)',
  },
  {
    name: 'connect',
    aliases: [],
    signature: '(target[, options])',
    summary: 'Sends data to a remote endpoint and receives data from it',
    doc: 'It connects.',
    accepts: 'bytes',
    emits: 'bytes',
    options: {},
    example: '.connect("a:1")',
  },
]

test.serial('filters are listed in columns, by name', t => {
  t.is(
    listFilters(table),
    [
      'connect  (target[, options])  Sends data to a remote endpoint and receives data from it',
      'wait     (until)              Holds events back.',
      '',
    ].join('\n'),
  )
})

test.serial('a filter is explained by any of its names, and a mistyped one is told the nearest', t => {
  const { text, isFound } = helpFilters(table, 'hold')
  t.true(isFound)
  t.regex(
    text,
    /wait\(until\)[\s\S]*limit +a whole number from 0 on \(default 4\)[\s\S]*How many\.[\s\S]*Example:/,
  )
  t.regex(helpFilters(table, 'conect').text, /did you mean connect\?/)
  t.false(helpFilters(table, 'conect').isFound)
})

test.serial('--list-filters and --help-filters read the one table', async t => {
  const list = await runSluice(t, ['--list-filters'])
  t.is(list.code, 0, list.stderr)
  t.regex(list.stdout, /^connect +\(target\[, options\]\) +\S/m)
  const help = await runSluice(t, ['--help-filters', 'connect'])
  t.is(help.code, 0)
  t.regex(help.stdout, /Example:/)
  const unknown = await runSluice(t, ['--help-filters', 'conect'])
  t.is(unknown.code, 2)
  t.regex(unknown.stderr, /did you mean connect\?/)
})
