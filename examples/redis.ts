/**
 * A guard in front of Redis: commands that wipe or stop it are answered with an error. The others go on over a connection
 * for each client, since Redis remembers the database and the transaction by connection. A command is an array of Data,
 * the payload of its message. Subscriptions, whose messages answer no command, are refused too.
 *
 *     TARGET=localhost:6379 PORT=7000 sluice examples/redis.ts       redis-cli -p 7000 flushall
 */

import { Message, os, sluice } from 'sluice'

const target = os.env.TARGET ?? 'localhost:6379'
const refused = new Set(
  'flushall flushdb shutdown debug config monitor subscribe psubscribe ssubscribe'.split(' '),
)
const refusal = new Message({}, undefined, undefined, new Error('ERR command refused by the proxy'))

export default sluice()
  .listen(Number(os.env.PORT ?? 7000))
  .decodeRESP()
  .demuxQueue()
  .to($ =>
    $.branchMessage(
      ({ payload }) => Array.isArray(payload) && refused.has(String(payload[0]).toLowerCase()),
      $ => $.replaceMessage(refusal),
      $ => $.muxQueue(ctx => ctx.__inbound as object).to($ => $.encodeRESP().connect(target).decodeRESP()),
    ),
  )
  .encodeRESP()
