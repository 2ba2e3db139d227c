/** What scripts log, by several threads at a time and while the process ends: not a line is lost. */

import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import test from 'ava'
import { makeFolder, startSluice } from '../support/sluice.ts'

const requests = 300

test('threads that write one file that is put aside again and again lose no line', async t => {
  const folder = makeFolder(t, {
    'main.ts': `
      import { logging, Message, sluice } from 'sluice'
      const access = new logging.JSONLogger('access')
        .toStdout()
        .toFile('access.log', { maxFileSize: '1k', maxFileCount: 1000 })
      export default sluice().listen(0).serveHTTP(req => {
        access.log({ path: req.head.path, padding: 'x'.repeat(20) })
        return new Message('ok')
      })`,
  })
  const logs = makeFolder(t)
  const sluice = startSluice(t, [join(folder, 'main.ts'), '--threads=2'], { cwd: logs })
  const port = await sluice.port()
  const expected = Array.from({ length: requests }, (_, i) => `/${i}`)
  await Promise.all(
    [0, 1, 2].map(async lane => {
      for (let i = lane; i < requests; i += 3)
        await fetch(`http://127.0.0.1:${port}/${i}`, { headers: { connection: 'close' } }).then(r => r.text())
    }),
  )
  sluice.signal('SIGTERM')
  t.is((await sluice.exited).code, 0)
  const paths = (text: string): string[] =>
    text
      .split('\n')
      .filter(Boolean)
      .map(line => (JSON.parse(line) as { path: string }).path)
  const files = readdirSync(logs)
  t.true(files.length > 2)
  t.false(files.some(name => name.endsWith('.lock')))
  t.deepEqual(
    files.flatMap(name => paths(readFileSync(join(logs, name), 'utf8'))).sort(),
    expected.toSorted(),
  )
  t.deepEqual(paths(sluice.stdout).sort(), expected.toSorted())
})

test('a batch that is not full is sent before the process ends', async t => {
  const bodies: string[] = []
  const server = createServer((request, response) => {
    request.on('data', chunk => bodies.push(String(chunk)))
    request.on('end', () => response.end())
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => void server.close())
  const folder = makeFolder(t, {
    'main.js': `
      pipy({ _log: new logging.JSONLogger('x').toHTTP('http://127.0.0.1:${(server.address() as AddressInfo).port}/', {
        batch: { interval: 3600 },
      }) })
      .task()
      .handleStreamStart(() => _log.log('hello'))
      .dummy()`,
  })
  const sluice = startSluice(t, [join(folder, 'main.js'), '--log-level=debug'])
  await sluice.line(/ThreadReady/)
  sluice.signal('SIGTERM')
  await sluice.exited
  t.deepEqual(bodies, ['"hello"'])
})
