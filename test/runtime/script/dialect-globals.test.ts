import test from 'ava'
import { dialectGlobals } from '../../../runtime/api/index.ts'
import { StreamEnd } from '../../../runtime/event.ts'
import { runDialect } from '../../../runtime/script/dialect.ts'
import { type Builder, pipy } from './script-folder.ts'

test('a script of the first generation finds the names it knows', t => {
  const source = `((router = new algo.URLRouter({ '/a/*': 'a:80' })) =>
    pipy({ _target: '' })
      .on('x', head => (
        _target = router.find(head.headers.host, head.path),
        [new Message({ status: 200 }, JSON.encode({ _target })), new SessionEnd]
      ))
  )()`
  const { value } = runDialect('/test/globals.js', source, { ...dialectGlobals, pipy })
  const head = { path: '/a/b', headers: { host: 'h:80' } }
  const [message, end] = (value as Builder).call('x', { _target: '' }, head) as [{ body: object }, object]
  t.is(String(message.body), '{"_target":"a:80"}')
  t.true(end instanceof StreamEnd)
})
