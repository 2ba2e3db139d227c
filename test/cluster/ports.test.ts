/** Who may listen where: ports that are taken, shared, given up. */

import { writeFileSync } from 'node:fs'
// One after the other: each starts processes of its own.
import test from 'ava'
import { makeScript, runSluice, startSluice } from '../support/sluice.ts'
import { fetchOnce, TcpClient } from '../support/tcp-client.ts'

const answering = (text: string, port: number): string => `
import { sluice, Message } from 'sluice'
export default sluice()
  .listen('127.0.0.1:${port}')
  .serveHTTP(() => new Message('${text}'))
`

test.serial('a port that another process has is told by number, with exit code 1', async t => {
  const port = await startSluice(t, [makeScript(t, answering('first', 0))]).port()
  const { code, stderr } = await runSluice(t, [makeScript(t, answering('second', port)), '--threads=2'])
  t.is(code, 1)
  t.regex(stderr, new RegExp(`127\\.0\\.0\\.1:${port}`))
  t.regex(stderr, /Free the port/)
  t.is((await fetchOnce(port)).body, 'first')
})

test.serial('with --reuse-port two processes share a port', async t => {
  const port = await startSluice(t, [makeScript(t, answering('first', 0)), '--reuse-port']).port()
  const second = startSluice(t, [makeScript(t, answering('second', port)), '--reuse-port'])
  t.is(await second.port(), port)
  const seen = new Set<string>()
  while (seen.size < 2) seen.add((await fetchOnce(port)).body)
  t.deepEqual([...seen].sort(), ['first', 'second'])
})

test.serial('a port that the new script has no more is refused after a reload', async t => {
  const script = makeScript(t, answering('old', 0))
  const sluice = startSluice(t, [script, '--threads=2'])
  const port = await sluice.port()
  writeFileSync(script, "import { sluice } from 'sluice'\nexport default sluice().task('1h').dummy()\n")
  sluice.signal('SIGHUP')
  await sluice.line(/^Reloaded/)
  await t.throwsAsync(TcpClient.connect(port), { code: 'ECONNREFUSED' })
  writeFileSync(script, answering('new', 0))
  sluice.signal('SIGHUP')
  t.is((await fetchOnce(await sluice.port())).body, 'new')
})

test.serial('all threads that listen on port 0 get the same port, and all serve', async t => {
  const sluice = startSluice(t, [
    makeScript(
      t,
      `import { sluice, Message } from 'sluice'
export default sluice()
  .listen('127.0.0.1:0')
  .serveHTTP((msg, ctx) => new Message(String(ctx.__thread.id)))
`,
    ),
    '--threads=3',
  ])
  const port = await sluice.port()
  const seen = new Set<string>()
  while (seen.size < 3) seen.add((await fetchOnce(port)).body)
  t.deepEqual([...seen].sort(), ['0', '1', '2'])
  t.is(sluice.stderr.match(/Listening on/g)?.length, 1)
})
