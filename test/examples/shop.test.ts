/** `npm start` on a fresh machine: the first thing that a newcomer sees. */

import ava from 'ava'
import { freePorts } from '../support/free-ports.ts'
import { runSluice, type SluiceProcess, startSluice } from '../support/sluice.ts'
import { examplePath, get } from './support.ts'

// A process each: one after the other.
const test = ava.serial

const main = examplePath('shop/main.ts')

async function openShop(
  t: Parameters<typeof startSluice>[0],
): Promise<{ sluice: SluiceProcess; port: number }> {
  const port = await freePorts(6)
  const sluice = startSluice(t, [main], { env: { PORT: String(port) } })
  await sluice.line(new RegExp(`^Listening on 127.0.0.1:${port + 5} `))
  return { sluice, port }
}

test('the terminal says what is listening and what to try', async t => {
  const { sluice, port } = await openShop(t)
  const messages = sluice.lines.seen.map(line => line.message)
  t.true(messages.some(message => message.startsWith(`Listening on 0.0.0.0:${port} `)))
  t.true(messages.some(message => message.includes(`curl localhost:${port}/catalog`)))
})

test('the front page is answered with 200 and says what to try', async t => {
  const { port } = await openShop(t)
  const response = await fetch(`http://127.0.0.1:${port}/`)
  t.is(response.status, 200)
  t.regex(await response.text(), /curl localhost:\d+\/catalog/)
})

test('requests to the catalog go to its instances in turn', async t => {
  const { port } = await openShop(t)
  const servers: (string | null)[] = []
  for (let i = 0; i < 4; i++) {
    const response = await fetch(`http://127.0.0.1:${port}/catalog/cup`)
    t.is(((await response.json()) as { id: string }).id, 'cup')
    servers.push(response.headers.get('x-served-by'))
  }
  t.deepEqual([...servers].sort(), ['catalog-1', 'catalog-1', 'catalog-2', 'catalog-2'])
  t.is((await fetch(`http://127.0.0.1:${port}/catalog/car`)).status, 404)
})

test('each customer comes to the instance that has the cart', async t => {
  const { port } = await openShop(t)
  const servers = new Set<string | null>()
  for (const customer of ['alice', 'bob', 'carol', 'dave', 'eve', 'frank']) {
    const url = `http://127.0.0.1:${port}/cart/${customer}`
    for (const item of ['cup', 'kettle']) await fetch(url, { method: 'POST', body: JSON.stringify({ item }) })
    const response = await fetch(url)
    t.deepEqual(await response.json(), { customer, items: ['cup', 'kettle'] })
    servers.add(response.headers.get('x-served-by'))
  }
  t.is(servers.size, 2, 'both instances have customers')
})

test('every exchange comes to the collector, in batches, with what was asked and answered', async t => {
  const { sluice, port } = await openShop(t)
  const requests = 250
  await Promise.all(Array.from({ length: requests }, () => get(port, '/catalog/teapot')))
  let collected = 0
  const batches: number[] = []
  while (collected < requests) {
    const batch = Number(/(\d+)$/.exec((await sluice.line(/^collector: a batch of \d+$/)).message)?.[1])
    batches.push(batch)
    collected += batch
  }
  t.is(collected, requests)
  t.true(batches.every(batch => batch <= 100))
  await get(port, '/nothing')
  await sluice.line(/GET \/nothing → 404 by the proxy, 27 characters/)
  t.true(sluice.lines.seen.some(line => /GET \/catalog\/teapot → 200 by catalog-[12]/.test(line.message)))
})

test('a port that is taken is named, with what to do', async t => {
  const { port } = await openShop(t)
  const { code, stderr } = await runSluice(t, [main], { env: { PORT: String(port) } })
  t.is(code, 1)
  t.regex(stderr, new RegExp(`cannot be listened on.*${port}`))
  t.regex(stderr, /Free the port/)
})
