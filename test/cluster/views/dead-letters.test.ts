/** sluice dead-letters: events that were given up can be listed, read, given again and forgotten. */

import test, { type ExecutionContext } from 'ava'
import type { WireMessage } from '../../../actors/kernel/wire.ts'
import { decodeBatch } from '../../../cluster/durable/batch.ts'
import { DeadLetterOffice } from '../../../cluster/durable/dead-letter-office.ts'
import { shardSubject } from '../../../cluster/durable/names.ts'
import { connectBus, startNatsServer } from '../../support/nats-server.ts'
import { runSluice } from '../../support/sluice.ts'

const subject = shardSubject('shop', 'log', 3)

test('they are listed newest first, shown whole, replayed into their stream and deleted', async t => {
  const { url } = await startNatsServer(t)
  const bus = await connectBus(t, url)
  const office = new DeadLetterOffice(bus, 'shop')
  const letter = (id: string, pipeline: string, wire: WireMessage) => ({
    pipeline,
    key: 'user-1',
    id,
    reason: 'failed' as const,
    fault: { code: 'RuntimeError' as const, message: `A script callback failed: no ${id}` },
    tries: 5,
    node: 'log-1',
    subject,
    wire,
  })
  await office.add(letter('first', 'log', [{ path: '/a' }, Buffer.from('hello'), null, null]))
  await office.add(
    letter('second', 'log', ['GET /b HTTP/1.1\r\nHost: x\r\n', Buffer.from([0xff, 0xfe]), null, null]),
  )
  await office.add(letter('third', 'other', [{}, null, null, null]))
  await bus.streams.ensure({
    name: 'log',
    subjects: [subject],
    retention: 'limits',
    maxBytes: 1024 * 1024,
    maxAgeMs: 60_000,
    duplicateWindowMs: 10_000,
    replicas: 1,
    storage: 'memory',
  })
  const run = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await runSluice(t, [
      'dead-letters',
      ...args,
      `--nats=${url}`,
      '--cluster=shop',
    ])
    t.is(code, 0, stderr)
    return stdout
  }
  const list = async (...args: string[]): Promise<{ sequence: number; id: string }[]> =>
    JSON.parse(await run('list', '--json', ...args))
  t.deepEqual(
    (await list()).map(({ id }) => id),
    ['third', 'second', 'first'],
  )
  t.deepEqual(
    (await list('log', '--limit=1')).map(({ id }) => id),
    ['second'],
  )
  t.regex(
    await run('list', 'log'),
    /NUMBER +TIME +PIPELINE[\s\S]*\n +1 .*log +user-1 +RuntimeError +5 +log-1/,
  )
  const shown = await run('show', '1')
  t.regex(
    shown,
    /pipeline +log\n[\s\S]*fault +RuntimeError: .*no first[\s\S]*head +{"path":"\/a"}\n\nhello\n$/,
  )
  t.like(JSON.parse(await run('show', '2', '--json')), {
    id: 'second',
    bodyBase64: '//4=',
    head: { path: '/b' },
  })

  // Those that there are, whatever others are asked for.
  const replayed = await refuses(t, ['replay', '1', '77', '2', '99'], url, '77, 99')
  t.regex(replayed, /letter 1 is in its stream again.\n.*letter 2 is/)
  const stored = await bus.streams.get('log', 1)
  const { items } = decodeBatch(stored?.payload as Uint8Array)
  const [item] = items
  t.is(Buffer.from(item?.[1]?.[1] ?? []).toString(), 'hello')
  t.deepEqual(
    (await list()).map(({ id }) => id),
    ['third'],
  )
  t.regex(await refuses(t, ['delete', '1', '3'], url, '1'), /^Dead letter 3 is deleted.\n$/)
  t.is(await run('list'), 'There are no dead letters.\n')
  await refuses(t, ['show', '3'], url)
  await refuses(t, ['replay', '3'], url)
  await refuses(t, ['delete', '3'], url)
})

/** What it did nevertheless. */
async function refuses(t: ExecutionContext, args: string[], url: string, numbers = '3'): Promise<string> {
  const { code, stdout, stderr } = await runSluice(t, [
    'dead-letters',
    ...args,
    `--nats=${url}`,
    '--cluster=shop',
  ])
  t.is(code, 1)
  t.true(stderr.startsWith(`There is no dead letter ${numbers}; sluice dead-letters list shows`), stderr)
  return stdout
}
