/** Errors as a table: codes, who is to blame, whether to retry; and what of one survives the way to another thread. */

import test from 'ava'
import { type FaultCode, faults, isFaultCode, TrafficError } from '../../runtime/errors.ts'

const codes = Object.keys(faults) as FaultCode[]

test('every code says who has to act, whether to retry, and what to do', t => {
  for (const code of codes) {
    const fault = faults[code]
    t.regex(code, /^[A-Z][A-Za-z]+$/)
    t.true(['downstream', 'upstream', 'script', 'cluster', 'internal'].includes(fault.source), code)
    t.true(['never', 'idempotent', 'fresh-connection'].includes(fault.retry), code)
    t.true(fault.status >= 400 && fault.status <= 599, code)
    t.regex(fault.proxyError, /^[a-z_]+$/, code)
    t.regex(fault.summary, /^[A-Z].*[^.]$/, code)
    t.regex(fault.cure, /^[A-Z].*\.$/, code)
  }
})

test('codes of Pipy keep their spelling', t => {
  for (const code of [
    ...['UnknownError', 'RuntimeError', 'ReadError', 'WriteError', 'CannotResolve', 'ConnectionCanceled'],
    ...['ConnectionReset', 'ConnectionRefused', 'ConnectionTimeout', 'ReadTimeout', 'WriteTimeout'],
    ...['IdleTimeout', 'Unauthorized', 'BufferOverflow', 'ConnectionAborted', 'ProtocolError'],
  ])
    t.true(isFaultCode(code), code)
  t.false(isFaultCode('toString'))
})

test('an error has the properties of its code, and its own words', t => {
  for (const code of codes) {
    const error = new TrafficError(code, 'in detail')
    t.is(error.code, code)
    t.is(error.source, faults[code].source)
    t.is(error.retry, faults[code].retry)
    t.is(error.status, faults[code].status)
    t.is(error.cure, faults[code].cure)
    t.is(error.message, `${faults[code].summary}: in detail`)
    t.is(new TrafficError(code).message, faults[code].summary)
  }
})

test('any thrown value becomes one, with the value as its cause; one of ours stays as it is', t => {
  const own = new TrafficError('ReadError')
  t.is(TrafficError.from(own), own)
  const bug = new TypeError('a bug')
  const wrapped = TrafficError.from(bug)
  t.is(wrapped.code, 'RuntimeError')
  t.is(wrapped.cause, bug)
  t.regex(wrapped.message, /a bug/)
  t.is(TrafficError.from(bug, 'ScriptError').code, 'ScriptError')
  t.regex(TrafficError.from('text').message, /text/)
  for (const odd of [undefined, null, 0, Symbol('s'), Object.create(null), { toString: () => 3 }])
    t.is(TrafficError.from(odd).code, 'RuntimeError')
})

test('instanceof holds for an error of another copy of the package', t => {
  const other = Object.assign(new Error('x'), { [Symbol.for('sluice.TrafficError')]: true })
  t.true(other instanceof TrafficError)
  t.false(new Error('x') instanceof TrafficError)
  t.false((null as unknown) instanceof TrafficError)
})

test('a record survives the way to another thread, and is the same error again', t => {
  const cause = new TrafficError('CannotResolve', 'no.such.name', new Error('ENOTFOUND'))
  const error = new TrafficError('ConnectionRefused', '127.0.0.1:1', cause)
  const back = TrafficError.fromRecord(structuredClone(error.toRecord()))
  t.is(back.code, error.code)
  t.is(back.message, error.message)
  t.is(back.stack, error.stack)
  t.is(back.retry, error.retry)
  t.true(back.cause instanceof TrafficError)
  t.is((back.cause as TrafficError).code, 'CannotResolve')
  t.regex(String((back.cause as TrafficError).cause), /ENOTFOUND/)
})

test('a record of what cannot be shown can be made all the same', t => {
  const record = new TrafficError('RuntimeError', 'odd', Object.create(null)).toRecord()
  t.is(typeof record.cause, 'string')
})
