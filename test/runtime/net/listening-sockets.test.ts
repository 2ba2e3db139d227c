/** Each scenario of support/listening-scenarios.ts, on the main thread of a process of its own. */

import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import test from 'ava'
import { scenarios } from './support/listening-scenarios.ts'

const program = fileURLToPath(new URL('support/listening-scenarios.ts', import.meta.url))

for (const title of Object.keys(scenarios)) {
  for (const transport of ['handle', 'net']) {
    test(`${transport}: ${title}`, async t => {
      const failure = await new Promise<string>(resolve => {
        execFile(process.execPath, [program, transport, title], (error, _, stderr) =>
          resolve(error === null ? '' : stderr || error.message),
        )
      })
      t.is(failure, '')
    })
  }
}

test('only the main thread can hand out sockets', async t => {
  const thread = new Worker(new URL('support/acquire-in-thread.ts', import.meta.url))
  const [said] = await once(thread, 'message')
  t.false(said.isSupported)
  t.regex(said.fault, /^ListenFailed: .* sockets cannot be handed to threads here$/)
})
