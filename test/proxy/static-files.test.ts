/** Files of a folder through the server: what reaches the client byte by byte. */

import { join } from 'node:path'
import test from 'ava'
import { http, Message, sluice } from '../../actors/index.ts'
import { runScript } from '../support/run-script.ts'
import { makeFolder } from '../support/sluice.ts'

test('a folder is served over HTTP, with what clients need to keep copies', async t => {
  const folder = makeFolder(t, { 'page.html': '<h1>Hello</h1>' })
  const www = new http.Directory(folder, { fs: true })
  const script = sluice()
    .listen(0)
    .serveHTTP(req => www.serve(req) ?? new Message({ status: 404 }, 'Not found\n'))
  const { port } = await runScript(t, script)
  const url = `http://127.0.0.1:${port}`
  const page = await fetch(`${url}/page.html`)
  t.is(await page.text(), '<h1>Hello</h1>')
  t.is(page.headers.get('content-length'), '14')
  const head = await fetch(`${url}/page.html`, { method: 'HEAD' })
  t.is(await head.text(), '')
  t.is(head.headers.get('etag'), page.headers.get('etag'))
  const same = await fetch(`${url}/page.html`, {
    headers: { 'if-none-match': page.headers.get('etag') ?? '' },
  })
  t.is(same.status, 304)
  t.is(await same.text(), '')
  const part = await fetch(`${url}/page.html`, { headers: { range: 'bytes=-5' } })
  t.is(part.status, 206)
  t.is(await part.text(), '</h1>')
  t.is((await fetch(`${url}/nothing`)).status, 404)
  t.is((await fetch(`${url}/page.html`, { method: 'DELETE' })).status, 405)
})

test('one file object answers many requests at a time', async t => {
  const folder = makeFolder(t, { 'big.txt': 'x'.repeat(300_000) })
  const www = new http.Directory(join(folder, '.'), { fs: true })
  const { port } = await runScript(
    t,
    sluice()
      .listen(0)
      .serveHTTP(req => www.serve(req) ?? new Message('no')),
  )
  const bodies = await Promise.all(
    Array.from({ length: 20 }, () =>
      fetch(`http://127.0.0.1:${port}/big.txt`).then(response => response.text()),
    ),
  )
  t.true(bodies.every(body => body.length === 300_000))
})
