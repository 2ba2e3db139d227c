/**
 * Requests that two parsers are known to read differently. Each is refused for the reason named, whole or byte by
 * byte, and nothing of it reaches the sink. A harmless request comes first, to show that it is served.
 */

import test from 'ava'
import { violations } from '../../../../runtime/codec/http1/index.ts'
import { chunked, harmless, refusedBodies, refusedHeads } from '../../../support/refused-requests.ts'
import { bytes, everyByte, readRequests } from './support/recorder.ts'

for (const [situation, request, id] of refusedHeads) {
  test(`a request is refused and nothing of it is forwarded when ${situation}: ${id}`, t => {
    const whole = readRequests(harmless + request + harmless)
    t.is(whole.broken, id)
    t.is(whole.heads.length, 1)
    t.deepEqual(
      whole.events.map(event => Object.keys(event)[0]),
      ['head', 'end', 'violation'],
    )
    t.deepEqual(readRequests(everyByte(harmless + request + harmless)).events, whole.events)
    const after = harmless.length
    for (let cut = 1; cut < request.length; cut += 7) {
      const text = harmless + request + harmless
      const cutRun = readRequests([bytes(text.slice(0, after + cut)), bytes(text.slice(after + cut))])
      t.deepEqual(cutRun.events, whole.events, `cut at ${cut}`)
    }
  })
}

for (const [situation, body, id] of refusedBodies) {
  test(`a chunked body is refused, and never ends, when ${situation}: ${id}`, t => {
    const input = harmless + chunked + body
    const whole = readRequests(id === 'truncated' ? input : input + harmless)
    t.is(whole.broken, id)
    t.is(whole.heads.length, 2)
    t.is(whole.events.filter(event => 'end' in event).length, 1, 'only the harmless request ends')
    t.deepEqual(readRequests(everyByte(id === 'truncated' ? input : input + harmless)).events, whole.events)
  })
}

test('every rule in the table has an error status and a reason', t => {
  for (const [id, violation] of Object.entries(violations)) {
    t.is(violation.id as string, id)
    t.true(violation.status >= 400 && violation.status < 600)
    t.regex(violation.reason, /^[A-Z].*[^.]$/)
  }
})
