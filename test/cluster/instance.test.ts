/** What a script can tell of the process that runs it, and ask of it. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { makeFolder, runSluice, startSluice } from '../support/sluice.ts'

test('a script knows its arguments, its place and its files', async t => {
  const folder = makeFolder(t, {
    'greeting.txt': 'hello',
    'main.js': `
      console.log('argv', pipy.argv.join(' '), pipy.load('/greeting.txt').toString(), pipy.load('none') === null)
      console.log('source', pipy.source, pipy.name.length > 0, pipy.uuid.length, JSON.stringify(pipy.thread))
      console.log('now', Math.abs(pipy.now() - Date.now()) < 60_000)
      pipy().pipeline('x').dummy()`,
  })
  const { code, stderr } = await runSluice(t, [join(folder, 'main.js'), '--', 'a', '--b'])
  t.is(code, 0)
  t.regex(stderr, /argv a --b hello true/)
  t.true(
    stderr.includes(`source ${join(folder, 'main.js')} true 36 {\\"id\\":0,\\"concurrency\\":1}`),
    stderr,
  )
  t.regex(stderr, /now true/)
})

test('a script ends its process with a code of its own', async t => {
  const folder = makeFolder(t, {
    'main.ts': `
      import { Message, sluice } from 'sluice'
      export default sluice()
        .listen(0)
        .serveHTTP(req => {
          if (req.head.path === '/exit') sluice.exit(7)
          return new Message('bye')
        })`,
  })
  const sluice = startSluice(t, [join(folder, 'main.ts')])
  const answer = await fetch(`http://127.0.0.1:${await sluice.port()}/exit`)
  t.is(await answer.text(), 'bye')
  t.is((await sluice.exited).code, 7)
})

test('a script has itself loaded anew', async t => {
  const folder = makeFolder(t, {
    'text.txt': 'before',
    'main.ts': `
      import { Message, sluice } from 'sluice'
      const text = sluice.load('text.txt')!.toString()
      export default sluice()
        .listen(0)
        .serveHTTP(req => {
          if (req.head.path === '/restart') sluice.restart()
          return new Message(text)
        })`,
  })
  const sluice = startSluice(t, [join(folder, 'main.ts'), '--threads=2'])
  const url = `http://127.0.0.1:${await sluice.port()}`
  writeFileSync(join(folder, 'text.txt'), 'after')
  const ask = async (path: string): Promise<string> =>
    (await fetch(url + path, { headers: { connection: 'close' } })).text()
  const reloaded = sluice.line(/^Reloaded/)
  t.is(await ask('/restart'), 'before')
  await reloaded
  t.is(await ask('/'), 'after')
})
