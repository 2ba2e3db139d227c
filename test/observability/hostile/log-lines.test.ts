/** Log lines hold what clients and servers said: none of it may look like a line of its own, or be obeyed by a terminal. */

import test from 'ava'
import fc from 'fast-check'
import { humanLines, jsonLines, type LogRecord } from '../../../observability/log.ts'

const hostile = fc.oneof(
  fc.constantFrom(
    'no\n12:00:00.000 ERROR all is lost',
    'x\r12:00:00.000',
    '\x1b[2J\x1b]0;t\x07',
    '\u009b2J',
    '\u202eabc',
    'a\u2028b',
    'fine',
  ),
  fc.string({ unit: 'binary' }),
)
const record = fc.record({ message: hostile, value: hostile, name: hostile }).map(
  ({ message, value, name }): LogRecord => ({
    timeMs: 0,
    level: 'error',
    message,
    fields: {
      code: 'ReadError',
      [`f${name}`]: value,
      nested: { value },
      stack: `Error: ${message}\n    at x`,
    },
    thread: 1,
  }),
)
const obeyed = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u

test('for a person: one line begins with a time, what follows is indented or a stack, and nothing is obeyed', t => {
  fc.assert(
    fc.property(record, each => {
      let text = ''
      humanLines(line => {
        text += line
      }, false)(each)
      t.notRegex(text.replaceAll('\n', '').replaceAll('\t', ''), obeyed)
      const [first = '', ...rest] = text.trimEnd().split('\n')
      t.regex(first, /^\d\d:\d\d:\d\d\.000 ERROR /)
      for (const line of rest) t.regex(line, /^(?:\s|Error: |$)/)
    }),
    { numRuns: 500 },
  )
})

test('for programs: one line, that says what was said, and nothing is obeyed', t => {
  fc.assert(
    fc.property(record, each => {
      let text = ''
      jsonLines(line => {
        text += line
      })(each)
      t.is(text.indexOf('\n'), text.length - 1)
      t.notRegex(text.slice(0, -1), obeyed)
      t.is((JSON.parse(text) as { message: string }).message, each.message)
    }),
    { numRuns: 500 },
  )
})
