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
