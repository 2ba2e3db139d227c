/** Protocols other than HTTP: each message that a stream brings has a trace, and what it is sent over is a step in it. */

import { connect } from 'node:net'
import test from 'ava'
import { sluice } from '../../../actors/index.ts'
import { SpanKind } from '../../../runtime/trace/span.ts'
import { serve, until } from '../../support/proxy.ts'
import { recordSpans } from '../../support/recorded-spans.ts'
import { Upstream } from '../../support/upstream.ts'

const spans = recordSpans({ level: 'filter' })

test.serial(
  'a command of RESP is a trace of its own, and the session that it is sent over a step in it',
  async t => {
    const upstream = await Upstream.start(t, async connection => {
      for (let i = 0; i < 2; i++) {
        await connection.read(/PING\r\n/)
        connection.write('+PONG\r\n')
      }
    })
    const script = sluice()
      .listen('127.0.0.1:0')
      .decodeRESP()
      .demuxQueue()
      .to($ =>
        $.muxQueue(() => 'redis').to($ => $.encodeRESP().connect(`127.0.0.1:${upstream.port}`).decodeRESP()),
      )
      .encodeRESP()
    const { running } = await serve(t, script)
    const client = connect(running.port, '127.0.0.1')
    t.teardown(() => client.destroy())
    let answered = ''
    client.on('data', bytes => {
      answered += bytes
    })
    const command = '*1\r\n$4\r\nPING\r\n'
    client.write(command + command)
    await until(() => answered === '+PONG\r\n+PONG\r\n')
    const messages = spans.filter(span => span.name.startsWith('demux') && span.kind === SpanKind.server)
    t.is(messages.length, 2)
    t.not(messages[0]?.traceId, messages[1]?.traceId)
    for (const message of messages) {
      const sent = spans.find(span => span.parentId === message.spanId && span.kind === SpanKind.client)
      t.regex(sent?.name ?? '', /^mux /)
      t.true((sent?.endMs ?? 0) <= message.endMs)
      t.true(spans.some(span => span.parentId === message.spanId && span.name === 'muxQueue'))
    }
    client.destroy()
    await until(() => spans.some(span => span.name === 'session'))
    const session = spans.find(span => span.name === 'session')
    t.deepEqual(messages[0]?.links, [session?.traceparent as string])
  },
)
