/** A task may wait for a signal of the process, which only the main thread gets. */

import { writeFileSync } from 'node:fs'
import test from 'ava'
import { makeScript, runSluice, startSluice } from '../support/sluice.ts'

const script = (signal: string, text: string): string => `
import { sluice, StreamEnd } from 'sluice'
export default sluice()
  .listen('127.0.0.1:0').dummy()
  .task('${signal}')
  .handleMessageStart((_, { __thread }) => console.log(\`${text} in \${__thread.id}\`))
  .replaceMessage(() => new StreamEnd())
`

test.serial('a task for a signal ticks in each thread whenever it comes, and not before', async t => {
  const sluice = startSluice(t, [makeScript(t, script('SIGUSR2', 'tick')), '--threads=2', '--log-level=info'])
  await sluice.port()
  t.false(sluice.lines.seen.some(line => /^tick/.test(line.message)))
  for (let round = 0; round < 2; round++) {
    sluice.signal('SIGUSR2')
    const ticks = [await sluice.line(/^tick/), await sluice.line(/^tick/)]
    t.deepEqual(ticks.map(line => line.message).sort(), ['tick in 0', 'tick in 1'])
  }
})

test.serial('after a reload the task is that of the new script', async t => {
  const path = makeScript(t, script('SIGUSR2', 'old'))
  const sluice = startSluice(t, [path, '--threads=1', '--log-level=info'])
  await sluice.port()
  writeFileSync(path, script('SIGUSR2', 'new'))
  sluice.signal('SIGHUP')
  await sluice.line(/Reloaded/)
  sluice.signal('SIGUSR2')
  await sluice.line(/^new/)
  t.false(sluice.lines.seen.some(line => /^old/.test(line.message)))
})

test.serial('what is no signal, or one that no process gets, is refused', async t => {
  for (const signal of ['SIGNOTHING', 'SIGKILL']) {
    const { code, stderr } = await runSluice(t, [makeScript(t, script(signal, 'x')), '--verify'])
    t.not(code, 0)
    t.regex(stderr, /task wants an interval.*a signal like 'SIGUSR2'/)
  }
})
