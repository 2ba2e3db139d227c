import { constants } from 'node:os'
import test from 'ava'
import { type SocketPhase, socketErrorOf } from '../../../runtime/net/socket-errors.ts'

const where = '10.0.0.1:80'

const cases: readonly [name: keyof typeof constants.errno, phase: SocketPhase, code: string][] = [
  ['ECONNREFUSED', 'connect', 'ConnectionRefused'],
  ['EHOSTUNREACH', 'connect', 'ConnectionRefused'],
  ['ENETUNREACH', 'connect', 'ConnectionRefused'],
  ['ETIMEDOUT', 'connect', 'ConnectionTimeout'],
  ['ECONNRESET', 'connect', 'ConnectionReset'],
  ['ECONNRESET', 'read', 'ConnectionReset'],
  ['EPIPE', 'write', 'ConnectionReset'],
  ['ETIMEDOUT', 'read', 'ReadTimeout'],
  ['ETIMEDOUT', 'write', 'WriteTimeout'],
  ['EIO', 'read', 'ReadError'],
  ['EIO', 'write', 'WriteError'],
  ['EACCES', 'listen', 'ListenFailed'],
]
for (const [name, phase, code] of cases) {
  test(`${name} in phase ${phase} is a ${code}, by name and by number`, t => {
    for (const given of [name, -constants.errno[name]]) {
      const error = socketErrorOf(given, phase, where)
      t.is(error.code, code as never)
      t.true(error.message.includes(where))
      t.true(error.message.includes(`${name}, `))
    }
  })
}

test('what has no name is shown as it is', t => {
  t.regex(socketErrorOf(-9999, 'read', where).message, /error -9999/)
  t.regex(socketErrorOf('ESTRANGE', 'read', where).message, /ESTRANGE/)
})
