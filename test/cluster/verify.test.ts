import test from 'ava'
import { makeScript, runSluice } from '../support/sluice.ts'

test('--verify tells of everything that is wrong with a script in one run, in the order of its lines', async t => {
  const script = makeScript(
    t,
    `pipy({ _target: undefined, _unused: 1 })
  .listen(6080, { idelTimeout: 3 })
  .demuxHTTP().to($ => $
    .handleMesageStart(() => _target = 'x')
    .muxHTTP(() => _target).to('conect')
  )
  .pipeline('connect')
  .connect(() => _target, { retryCount: 'often' })
  .pipeline('connect')
`,
    'bad.js',
  )
  const { code, stderr } = await runSluice(t, [script, '--verify'])
  t.is(code, 1)
  const places = [...stderr.matchAll(/bad\.js:(\d+)/g)].map(match => Number(match[1]))
  t.deepEqual(places, [1, 2, 4, 5, 8, 9])
  t.regex(stderr, /context variable '_unused' is declared and never used/)
  t.regex(stderr, /there is no filter 'handleMesageStart'; did you mean 'handleMessageStart'\?/)
  t.regex(stderr, /did you mean 'idleTimeout'\?/)
  t.regex(stderr, /did you mean 'connect'\?/)
  t.regex(stderr, /two pipelines with the name 'connect'/)
})

test('--verify finds all kinds of mistakes in one run', async t => {
  const script = makeScript(
    t,
    `pipy({ _used: 1, _unused: 2 })
  .listen(0)
    .dummmy()
    .handleData(() => _used)
    .link('nowhere')
  .listen(8000)
    .connect('x:1', { retries: 1 })
    .use('missing.js', 'a')
`,
    'bad.js',
  )
  const { code, stderr } = await runSluice(t, [script, '--verify'])
  t.is(code, 1)
  t.deepEqual(
    [...stderr.matchAll(/bad\.js:(\d+)/g)].map(match => Number(match[1])),
    [1, 3, 5, 7, 8],
  )
  t.regex(stderr, /'_unused' is declared and never used/)
  t.regex(stderr, /no filter 'dummmy'/)
  t.regex(stderr, /'nowhere'/)
  t.regex(stderr, /no option 'retries'/)
  t.regex(stderr, /no module 'missing\.js'/)
})

test('--verify tells of variables that nothing uses in TypeScript as well', async t => {
  const script = makeScript(
    t,
    `import { sluice } from 'sluice'
export default sluice({
  used: 1,
  $odd: 2,
  unused: 3,
})
  .listen(0)
  .handleData((_, ctx) => console.log(ctx.used, ctx.$odd))
`,
  )
  const { code, stderr } = await runSluice(t, [script, '--verify'])
  t.is(code, 0)
  t.regex(stderr, /\.ts:5: context variable 'unused' is declared and never used/)
  t.notRegex(stderr, /'(used|\$odd)' is/)
})
