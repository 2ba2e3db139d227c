import test from 'ava'
import { Message, StreamEnd, sluice } from '../../../actors/index.ts'
import { runScript } from '../../support/run-script.ts'
import { TcpClient } from '../../support/tcp-client.ts'

test('a task that repeats ticks once more when all traffic is over, so that a batch is not lost by a drain', async t => {
  let gathered: string[] = []
  const posted: string[][] = []
  const { host, port } = await runScript(
    t,
    sluice()
      .listen(0)
      .serveHTTP(request => {
        gathered.push(request.head.path)
        return new Message({ status: 200 }, 'ok')
      })
      .task('1h')
      .replaceMessage(() => {
        posted.push(gathered)
        gathered = []
        return new StreamEnd()
      }),
  )
  t.deepEqual(posted, [[]], 'the first tick comes at once')
  const client = await TcpClient.connect(port)
  client.write('GET /late HTTP/1.1\r\nHost: h\r\n\r\n')
  await client.read(/ok$/)
  await host.drain(5000)
  t.deepEqual(posted, [[], ['/late']])
})

test('a program that is drained while it retires ticks its tasks once more, not twice', async t => {
  let ticks = 0
  const script = () =>
    sluice()
      .listen(0)
      .dummy()
      .task('1h')
      .replaceMessage(() => {
        ticks++
        return new StreamEnd()
      })
  const { host } = await runScript(t, script())
  await host.reload(sluice().listen(0).dummy())
  await host.drain(5000)
  t.is(ticks, 2)
})
