/** Each scenario of support/listening-scenarios.ts, on the main thread of a process of its own. */

import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { ListeningSockets } from '../../../runtime/net/listening-sockets.ts'
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
  // This is a thread of the test runner.
  t.false(ListeningSockets.isSupported)
  await t.throwsAsync(
    new ListeningSockets().acquire({ address: '127.0.0.1', port: 0, slot: 0, reusePort: false }),
    { message: /cannot be handed to threads here/ },
  )
})
