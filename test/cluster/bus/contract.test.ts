import test from 'ava'
import { MemoryBroker } from '../../support/memory-bus.ts'
import { connectBus, sharedNatsServer } from '../../support/nats-server.ts'
import { busContract } from './contract.ts'

const server = sharedNatsServer(test)
busContract('on NATS', t => connectBus(t, server().url))

const broker = new MemoryBroker(1)
test.after.always(() => broker.close())
busContract('in memory', async t => {
  const bus = broker.connect()
  t.teardown(() => bus.close())
  return bus
})
