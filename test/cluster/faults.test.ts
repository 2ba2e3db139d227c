/** What a person's users notice when a thread dies: nothing but the loss of what it was just doing. */

import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
// One after the other: each starts processes of its own, and some measure how fast they are.
import test from 'ava'
import { monotonicMs } from '../../runtime/clock.ts'
import { makeFolder, makeScript, type SluiceProcess, startSluice } from '../support/sluice.ts'
import { fetchOnce, TcpClient } from '../support/tcp-client.ts'

const script = `
import { sluice, Message } from 'sluice'
const hoard: unknown[] = []
export default sluice()
  .listen('127.0.0.1:0')
  .serveHTTP(msg => {
    if (msg.head.path === '/crash') setTimeout(() => { throw new Error('boom') })
    if (msg.head.path === '/reject') void Promise.reject(new Error('nobody cares'))
    if (msg.head.path === '/hoard') for (;;) hoard.push(new Array(10_000).fill(hoard.length))
    return new Message('hello')
  })
`

/**
 * Lets threads die until one is replaced within a second, or, on a machine so busy that the process took longer to start,
 * within that time: any one of them may be held up by something else.
 */
async function isReplacedInTime(
  sluice: SluiceProcess,
  { startedInMs, die }: { readonly startedInMs: number; readonly die: () => Promise<unknown> },
): Promise<boolean> {
  for (let tries = 0; tries < 5; tries++) {
    await die()
    const diedMs = monotonicMs()
    await sluice.line(/ThreadReady/)
    if (monotonicMs() - diedMs < Math.max(1000, startedInMs)) return true
  }
  return false
}

test.serial(
  'a crashed thread is replaced within a second, while no connection is refused or lost',
  async t => {
    const startMs = monotonicMs()
    const sluice = startSluice(t, [makeScript(t, script), '--threads=2', '--log-level=debug'])
    const port = await sluice.port()
    const startedInMs = monotonicMs() - startMs
    const answers: Promise<{ body: string }>[] = []
    const die = async (): Promise<void> => {
      await fetchOnce(port, '/crash').catch(() => {})
      t.regex((await sluice.line(/ThreadDied/)).message, /boom/)
      // Half of these go to the dead thread's socket, and wait there for its replacement.
      for (let i = 0; i < 40; i++) answers.push(fetchOnce(port))
    }
    t.true(await isReplacedInTime(sluice, { startedInMs, die }))
    t.true((await Promise.all(answers)).every(answer => answer.body === 'hello'))
  },
)

test.serial('connections that stand on the other threads are not touched by a crash', async t => {
  const sluice = startSluice(t, [makeScript(t, script), '--threads=2'])
  const port = await sluice.port()
  const standing = await Promise.all(Array.from({ length: 20 }, () => TcpClient.connect(port)))
  await fetchOnce(port, '/crash').catch(() => {})
  await sluice.line(/ThreadDied/)
  for (const client of standing) client.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
  const texts = await Promise.all(standing.map(client => client.readToEnd()))
  const served = texts.filter(text => text.endsWith('hello')).length
  t.true(served > 0 && served < 20, `${served} of 20 were on the thread that lived`)
})

test.serial('a rejected promise that nobody handles is told, and ends nothing', async t => {
  const sluice = startSluice(t, [makeScript(t, script)])
  const port = await sluice.port()
  t.is((await fetchOnce(port, '/reject')).body, 'hello')
  t.regex((await sluice.line(/nobody handled it/)).message, /nobody cares/)
  t.is((await fetchOnce(port)).body, 'hello')
  t.notRegex(sluice.stderr, /ThreadDied/)
})

test.serial('a thread that runs out of heap is replaced within a second', async t => {
  const startMs = monotonicMs()
  const sluice = startSluice(t, [makeScript(t, script)], {
    program: fileURLToPath(new URL('./fixtures/small-heap.ts', import.meta.url)),
  })
  const port = await sluice.port()
  const startedInMs = monotonicMs() - startMs
  const die = async (): Promise<void> => {
    await fetchOnce(port, '/hoard').catch(() => {})
    t.regex((await sluice.line(/ThreadDied/)).message, /out of its heap of 32 MB/)
  }
  t.true(await isReplacedInTime(sluice, { startedInMs, die }))
  t.is((await fetchOnce(port)).body, 'hello')
  sluice.signal('SIGTERM')
  t.is((await sluice.exited).code, 0, 'a node leaves nothing behind that keeps its process alive')
})

test.serial(
  'a thread that dies while starting is told with its reason, and tried again until it lives',
  async t => {
    const folder = makeFolder(t)
    const poison = join(folder, 'poison')
    writeFileSync(poison, '')
    writeFileSync(
      join(folder, 'main.ts'),
      `import { existsSync } from 'node:fs'\nif (existsSync(${JSON.stringify(poison)})) process.exit(9)\n${script}`,
    )
    const sluice = startSluice(t, [join(folder, 'main.ts')])
    t.regex((await sluice.line(/ThreadDied/)).message, /died while starting.*exited with code 9.*in 100 ms/)
    t.regex((await sluice.line(/ThreadDied/)).message, /in 200 ms/)
    rmSync(poison)
    t.false(existsSync(poison))
    t.is((await fetchOnce(await sluice.port())).body, 'hello')
  },
)

test.serial(
  'a replacement that cannot use the script any more is told, and tried again, while the others serve',
  async t => {
    const path = makeScript(t, script)
    const sluice = startSluice(t, [path, '--threads=2', '--log-level=debug'])
    const port = await sluice.port()
    writeFileSync(path, 'export default nonsense')
    await fetchOnce(port, '/crash').catch(() => {})
    t.regex((await sluice.line(/cannot use the script/)).message, /nonsense is not defined/)
    await sluice.line(/ThreadDied/)
    writeFileSync(path, script)
    await sluice.line(/ThreadReady/)
    t.is((await fetchOnce(port)).body, 'hello')
  },
)
