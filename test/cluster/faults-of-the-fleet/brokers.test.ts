/** NATS dies, stands still or loses its leader, while requests go through a fleet that needs it only for its logs. */

import test from 'ava'
import { startFleet } from '../../support/fleet.ts'
import { startNatsCluster } from '../../support/nats-server.ts'
import { fleetAtWork, goesOn } from './promises.ts'

test.serial(
  'the broker is killed and comes back: requests are served, and all that was stored is delivered',
  async t => {
    t.timeout(60_000)
    const { nats, fleet, traffic } = await fleetAtWork(t)
    await nats.kill()
    await traffic.more(200)
    await nats.start()
    await goesOn(fleet, traffic)
  },
)

test.serial('the broker stands still for longer than a node lives without it: all goes on after', async t => {
  t.timeout(60_000)
  const { nats, fleet, traffic } = await fleetAtWork(t)
  nats.stop()
  await traffic.more(1_000)
  nats.cont()
  await goesOn(fleet, traffic)
})

test.serial('of three brokers the one that leads the stream dies: the others have all of it', async t => {
  t.timeout(90_000)
  const brokers = await startNatsCluster(t)
  const fleet = await startFleet(t, { nats: brokers.url, heartbeat: '500ms' })
  const traffic = fleet.traffic()
  await traffic.more(300)
  await (await brokers.streamLeader('sluice_test_d_kept')).kill()
  await traffic.more(600)
  await goesOn(fleet, traffic)
})
