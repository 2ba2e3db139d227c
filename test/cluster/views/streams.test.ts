/** sluice streams: what waits, told by NATS alone. */

import test from 'ava'
import { sluice } from '../../../actors/index.ts'
import { pipelineOf, shardOfConsumer, streamOf } from '../../../cluster/durable/names.ts'
import { readStreams, type StreamRow, showStreams } from '../../../cluster/views/stream-rows.ts'
import { eventually } from '../../support/eventually.ts'
import { connectBus, startNatsServer } from '../../support/nats-server.ts'
import { runSluice } from '../../support/sluice.ts'
import { cluster, DurableNode } from '../durable/durable-node.ts'

const durable = { placement: 'cluster', delivery: 'at-least-once' } as const

for (const fanout of ['one', 'all'] as const)
  test(`with fanout '${fanout}' what nobody takes is told, also of a pipeline that there is no more`, async t => {
    const { url } = await startNatsServer(t)
    const view = async (...more: string[]): Promise<string> => {
      const { code, stdout, stderr } = await runSluice(t, [
        ...['streams', `--nats=${url}`, `--cluster=${cluster}`],
        ...more,
      ])
      t.is(code, 0, stderr)
      return stdout
    }
    t.regex(await view(), /There is no stream/)
    const bus = await connectBus(t, url)
    const rows = (): Promise<StreamRow[]> => readStreams(bus, cluster, Date.now())

    const stuck = Promise.withResolvers<undefined>()
    const host = new DurableNode(
      await connectBus(t, url),
      sluice()
        .pipeline('log: new', { ...durable, fanout })
        .replaceMessage(() => stuck.promise),
    )
    t.teardown(() => host.stop())
    host.see(host.member)
    // All of its shards have a consumer before anything comes: with fanout 'all' nothing waits for who was not there.
    await eventually(
      async () =>
        (await bus.streams.info(streamOf(cluster, 'log: new')))?.consumers.filter(({ isTaken }) => isTaken)
          .length === 16,
    )
    host.log('an event')
    const taken = await eventually(rows, ([row]) => row?.batches === 1)
    t.like(taken, { length: 1, 0: { pipeline: 'log: new', unserved: 0 } })
    t.notRegex(await view(), /Nobody takes/)

    host.stop()
    const left = await eventually(rows, ([row]) => row?.unserved === 1)
    t.true((left[0]?.oldestSeconds ?? -1) >= 0)
    t.regex(showStreams(left), /^log: new +1 +\d+ +\d+s +1\nNobody takes what is unserved of 'log: new'/m)
    t.like(JSON.parse(await view('--json')), [{ pipeline: 'log: new', batches: 1, unserved: 1 }])
  })

test('streams and consumers are known by their names', t => {
  t.is(pipelineOf('shop', streamOf('shop', 'lög the.odd >*$')), 'lög the.odd >*$')
  t.is(pipelineOf('shop', 'sluice_shop_dead'), undefined)
  t.is(pipelineOf('shop', 'sluice_shop_d_=ZZ'), undefined)
  t.is(shardOfConsumer('s12-abc_s-7-1'), 12)
  t.is(shardOfConsumer('n-log-1-3_7'), 3)
  t.is(shardOfConsumer('reader'), undefined)
})
