/** connect to a name with several addresses: each is tried, in order. Alone in its process, since it changes the resolver. */

import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import test from 'ava'
import { sluice } from '../../../actors/index.ts'
import { resolver } from '../../../runtime/net/resolver.ts'
import { events, harness } from '../../support/pipeline-harness.ts'
import { transports } from '../../support/run-script.ts'

const known: Record<string, string[]> = {}
const asked: string[] = []
resolver.resolve = host => {
  asked.push(host)
  return Promise.resolve(known[host] as string[])
}

for (const transport of Object.values(transports)) {
  test.serial(`${transport.name}: addresses that refuse are passed over`, async t => {
    const server = createServer(socket => socket.end(`to ${socket.localAddress}`)).listen(0, '127.0.0.3')
    await once(server, 'listening')
    t.teardown(() => server.close())
    const { port } = server.address() as AddressInfo
    known['three.test'] = ['127.0.0.1', '127.0.0.2', '127.0.0.3']
    const script = sluice().pipeline('main').connect(`three.test:${port}`)
    const session = harness(t, script, { transport })
      .open()
      .feed(...events('D:x'))
    await session.until(event => event.kind === 3)
    t.deepEqual(session.shown, ['D:to 127.0.0.3', 'X'])
  })

  test.serial(
    `${transport.name}: when all refuse the last one is told, and a retry asks for the name anew`,
    async t => {
      known['none.test'] = ['127.0.0.1', '127.0.0.2']
      asked.length = 0
      const script = sluice().pipeline('main').connect('none.test:1', { retryCount: 2 })
      const session = harness(t, script, { transport })
        .open()
        .feed(...events('D:x'))
      await session.until(event => event.kind === 3)
      const end = session.output[0]
      t.is(end?.kind === 3 ? end.error : '', 'ConnectionRefused')
      t.regex(end?.kind === 3 ? end.reason : '', /127\.0\.0\.2:1/)
      t.deepEqual(asked, ['none.test', 'none.test', 'none.test'])
    },
  )
}
