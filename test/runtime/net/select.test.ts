import test from 'ava'
import { netTransport } from '../../../runtime/net/node-net.ts'
import { selectTransport, testTransport } from '../../../runtime/net/select.ts'
import { handleTransport } from '../../../runtime/net/tcp-handle.ts'
import type { ConnectionHandler, Transport } from '../../../runtime/net/transport.ts'

/** A transport whose outbound connections hand on what they receive in another way. */
const receiving = (change: (handler: ConnectionHandler) => ConnectionHandler['data']): Transport => ({
  ...netTransport,
  connect: (options, handler) =>
    netTransport.connect(options, {
      opened: () => handler.opened(),
      data: change(handler),
      ended: () => handler.ended(),
      drained: () => handler.drained(),
      closed: error => handler.closed(error),
    }),
})

test('the fast transport is taken when it works', async t => {
  t.deepEqual(await selectTransport('auto'), { transport: handleTransport, fallbackReason: undefined })
})

test('net is taken when it is asked for', async t => {
  t.deepEqual(await selectTransport('net'), { transport: netTransport, fallbackReason: undefined })
})

test('both transports pass the test', async t => {
  await t.notThrowsAsync(testTransport(netTransport))
  await t.notThrowsAsync(testTransport(handleTransport))
})

test('a transport that spoils a byte fails the test', async t => {
  const spoiling = receiving(handler => (buffer, start, end) => {
    buffer[end - 1] = 255
    handler.data(buffer, start, end)
  })
  await t.throwsAsync(testTransport(spoiling), { message: /wrong byte/ })
})

test('a transport that loses a byte fails the test', async t => {
  const losing = receiving(handler => (buffer, start, end) => handler.data(buffer, start, end - 1))
  await t.throwsAsync(testTransport(losing), { message: /wrong byte|of \d+ bytes back/ })
})

test('a transport that cannot listen fails the test with its reason', async t => {
  const failing: Transport = { ...netTransport, listen: () => Promise.reject(new Error('no sockets today')) }
  await t.throwsAsync(testTransport(failing), { message: 'no sockets today' })
})
