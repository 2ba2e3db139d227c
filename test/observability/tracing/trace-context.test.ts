/**
 * What W3C Trace Context asks of whoever takes part in a trace: the cases of its own validation suite
 * (w3c/trace-context, test/test.py, strict level 2), whose names are in the titles, put to a real proxy script.
 */

import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import test, { type ExecutionContext } from 'ava'
import { startProxy } from '../../support/proxy.ts'
import { recordSpans } from '../../support/recorded-spans.ts'

recordSpans({ ratio: 0.5 })

type Fields = readonly (readonly [name: string, value: string])[]

/** What the service behind the proxy was told. */
interface Told {
  readonly version: string
  readonly traceId: string
  readonly parentId: string
  readonly flags: string
  /** Keys and values of tracestate, in order. */
  readonly state: ReadonlyMap<string, string>
  readonly headers: ReadonlyMap<string, readonly string[]>
}

const proxied = async (t: ExecutionContext): Promise<(fields: Fields) => Promise<Told>> => {
  const heads: string[][] = []
  const origin = createServer((request, response) => {
    heads.push(request.rawHeaders)
    response.end()
  })
  await new Promise<void>(resolve => origin.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    origin.closeAllConnections()
    origin.close()
  })
  const { running } = await startProxy(t, (origin.address() as AddressInfo).port)
  return async fields => {
    const count = heads.length
    await exchange(running.port, fields)
    t.is(heads.length, count + 1)
    return told(t, heads.at(-1) as string[])
  }
}

/** Sends a request to the byte, which clients of HTTP would put right. */
function exchange(port: number, fields: Fields): Promise<void> {
  const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  const socket = connect(port, '127.0.0.1')
  socket.end(`GET / HTTP/1.1\r\nHost: service\r\nConnection: close\r\n${lines}\r\n`)
  return new Promise((resolve, reject) =>
    socket
      .on('error', reject)
      .on('close', () => resolve())
      .resume(),
  )
}

function told(t: ExecutionContext, raw: readonly string[]): Told {
  const headers = new Map<string, string[]>()
  for (let i = 0; i < raw.length; i += 2) {
    const name = (raw[i] as string).toLowerCase()
    headers.set(name, [...(headers.get(name) ?? []), raw[i + 1] as string])
  }
  const given = headers.get('traceparent') ?? []
  t.is(given.length, 1, 'one traceparent goes on')
  const parts = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/.exec(given[0] as string)
  t.truthy(parts, 'it is valid')
  const [, version, traceId, parentId, flags] = parts as unknown as string[]
  const members = (headers.get('tracestate') ?? []).flatMap(line => line.split(','))
  const state = new Map(
    members.map(member => [member.split('=')[0] as string, member.slice(member.indexOf('=') + 1)]),
  )
  return { version, traceId, parentId, flags, state, headers } as Told
}

const id = '12345678901234567890123456789012'
const span = '1234567890123456'
const valid = `00-${id}-${span}-01`
const unsampled: readonly [string, string] = ['traceparent', `00-${id}-${span}-00`]

test('both_traceparent_and_tracestate_missing: a trace begins', async t => {
  const send = await proxied(t)
  const first = await send([])
  const second = await send([])
  t.is(first.version, '00')
  t.not(first.traceId, second.traceId)
  t.not(first.parentId, second.parentId)
})

test('traceparent_included_tracestate_missing: the trace goes on, with another parent', async t => {
  const send = await proxied(t)
  for (const flags of ['01', '00']) {
    const told = await send([['traceparent', `00-${id}-${span}-${flags}`]])
    t.is(told.traceId, id)
    t.not(told.parentId, span)
    t.is(told.flags, flags)
  }
})

test('traceparent_duplicated: neither is followed', async t => {
  const send = await proxied(t)
  const other = `00-${id.slice(1)}1-${span}-01`
  const { traceId } = await send([
    ['traceparent', other],
    ['traceparent', valid],
  ])
  t.false([id, other.slice(3, 35)].includes(traceId))
})

for (const name of ['trace-parent', 'trace.parent']) {
  test(`traceparent_header_name: ${name} is not it`, async t => {
    const send = await proxied(t)
    t.not((await send([[name, valid]])).traceId, id)
  })
}

for (const name of ['TraceParent', 'TrAcEpArEnT', 'TRACEPARENT']) {
  test(`traceparent_header_name_valid_casing: ${name} is it`, async t => {
    const send = await proxied(t)
    t.is((await send([[name, valid]])).traceId, id)
  })
}

for (const [title, value] of [
  ['version_0x00: with something behind it', `${valid}.`],
  ['version_0x00: with a part more', `${valid}-what-the-future-will-be-like`],
  [
    'version_0xcc: with something other than a part behind it',
    `cc${valid.slice(2)}.what-the-future-will-be-like`,
  ],
  ['version_0xff', `ff${valid.slice(2)}`],
  ['version_illegal_characters: the first', `.0${valid.slice(2)}`],
  ['version_illegal_characters: the second', `0.${valid.slice(2)}`],
  ['version_too_long: by one', `0${valid}`],
  ['version_too_long: by two', `00${valid}`],
  ['version_too_short', valid.slice(1)],
  ['trace_id_all_zero', `00-${'0'.repeat(32)}-${span}-01`],
  ['trace_id_illegal_characters: the first', `00-.${id.slice(1)}-${span}-01`],
  ['trace_id_illegal_characters: the last', `00-${id.slice(1)}.-${span}-01`],
  ['trace_id_illegal_characters: upper case', `00-${'A'.repeat(32)}-${span}-01`],
  ['trace_id_too_long', `00-${id}3-${span}-01`],
  ['trace_id_too_short', `00-${id.slice(1)}-${span}-01`],
  ['parent_id_all_zero', `00-${id}-${'0'.repeat(16)}-01`],
  ['parent_id_illegal_characters: the first', `00-${id}-.${span.slice(1)}-01`],
  ['parent_id_illegal_characters: the last', `00-${id}-${span.slice(1)}.-01`],
  ['parent_id_too_long', `00-${id}-${span}7-01`],
  ['parent_id_too_short', `00-${id}-${span.slice(1)}-01`],
  ['trace_flags_illegal_characters: the first', `00-${id}-${span}-.0`],
  ['trace_flags_illegal_characters: the second', `00-${id}-${span}-0.`],
  ['trace_flags_too_long', `00-${id}-${span}-001`],
  ['trace_flags_too_short', `00-${id}-${span}-1`],
] as const) {
  test(`traceparent_${title}: another trace begins`, async t => {
    const send = await proxied(t)
    const told = await send([
      ['traceparent', value],
      ['tracestate', 'foo=1'],
    ])
    t.false(told.traceId.includes(id.slice(1, 30)))
    t.not(told.traceId, '0'.repeat(32))
    t.false(value.includes(told.traceId))
    t.is(told.state.size, 0, 'what the other vendors said was of a trace that is not followed')
  })
}

for (const value of [`cc${valid.slice(2)}`, `cc${valid.slice(2)}-what-the-future-will-be-like`]) {
  test(`traceparent_version_0xcc: ${value.slice(55) || 'as long as ours'} is followed as far as it is known`, async t => {
    const send = await proxied(t)
    const told = await send([['traceparent', value]])
    t.is(told.traceId, id)
    t.is(told.version, '00')
  })
}

test('traceparent_ows_handling: spaces around it say nothing', async t => {
  const send = await proxied(t)
  for (const value of [` ${valid}`, `\t${valid}`, `${valid} `, `${valid}\t`, `\t ${valid} \t`])
    t.is((await send([['traceparent', value]])).traceId, id)
})

test('tracestate_included_traceparent_missing: it goes nowhere', async t => {
  const send = await proxied(t)
  t.is((await send([['tracestate', 'foo=1,bar=2']])).state.size, 0)
})

test('tracestate_included_traceparent_included: it goes on', async t => {
  const send = await proxied(t)
  const { traceId, state } = await send([unsampled, ['tracestate', 'foo=1,bar=2']])
  t.is(traceId, id)
  t.deepEqual(
    [...state],
    [
      ['foo', '1'],
      ['bar', '2'],
    ],
  )
})

test('tracestate_header_name: other names are not it', async t => {
  const send = await proxied(t)
  for (const name of ['trace-state', 'trace.state'])
    t.is((await send([unsampled, [name, 'foo=1']])).state.size, 0)
})

test('tracestate_header_name_valid_casing', async t => {
  const send = await proxied(t)
  for (const name of ['TraceState', 'TrAcEsTaTe', 'TRACESTATE'])
    t.is((await send([unsampled, [name, 'foo=1']])).state.get('foo'), '1')
})

test('tracestate_empty_header: it says nothing, and what others say holds', async t => {
  const send = await proxied(t)
  const empty = await send([unsampled, ['tracestate', '']])
  t.false(empty.headers.has('tracestate'))
  t.is(empty.traceId, id)
  for (const lines of [
    ['foo=1', ''],
    ['', 'foo=1'],
  ])
    t.is((await send([unsampled, ...lines.map(line => ['tracestate', line] as const)])).state.get('foo'), '1')
})

test('tracestate_multiple_headers_different_keys: they go on in order', async t => {
  const send = await proxied(t)
  const { state } = await send([
    unsampled,
    ['tracestate', 'foo=1,bar=2'],
    ['tracestate', 'rojo=1,congo=2'],
    ['tracestate', 'baz=3'],
  ])
  t.deepEqual([...state.keys()], ['foo', 'bar', 'rojo', 'congo', 'baz'])
})

for (const lines of [['foo=1,foo=1'], ['foo=1,foo=2'], ['foo=1', 'foo=1'], ['foo=1', 'foo=2']]) {
  test(`tracestate_duplicated_keys: ${lines.join(' and ')} is thrown away`, async t => {
    const send = await proxied(t)
    const { traceId, state } = await send([unsampled, ...lines.map(line => ['tracestate', line] as const)])
    t.is(traceId, id)
    t.is(state.size, 0)
  })
}

const characters = (from: number, to: number): string =>
  Array.from({ length: to - from + 1 }, (_, i) => String.fromCharCode(from + i)).join('')

test('tracestate_all_allowed_characters', async t => {
  const send = await proxied(t)
  const key = `${characters(0x61, 0x7a)}0123456789_-*/`
  const value = characters(0x20, 0x2b) + characters(0x2d, 0x3c) + characters(0x3e, 0x7e)
  for (const name of [key, `${key}@a-z0-9_-*/`]) {
    const { headers } = await send([unsampled, ['tracestate', `${name}=${value}`]])
    t.deepEqual(headers.get('tracestate'), [`${name}=${value}`])
  }
})

test('tracestate_ows_handling', async t => {
  const send = await proxied(t)
  for (const line of ['foo=1 \t , \t bar=2, \t baz=3', 'foo=1\t \t,\t \tbar=2,\t \tbaz=3']) {
    const { state } = await send([unsampled, ['tracestate', line]])
    t.deepEqual(
      [...state],
      [
        ['foo', '1'],
        ['bar', '2'],
        ['baz', '3'],
      ],
    )
  }
  for (const line of [' foo=1', '\tfoo=1', 'foo=1 ', 'foo=1\t', '\t foo=1 \t'])
    t.is((await send([unsampled, ['tracestate', line]])).state.get('foo'), '1')
})

for (const [name, line] of [
  ['key_illegal_characters', 'foo =1'],
  ['key_illegal_characters', 'FOO=1'],
  ['key_illegal_characters', 'foo.bar=1'],
  ['key_illegal_vendor_format', 'foo@=1,bar=2'],
  ['key_illegal_vendor_format', '@foo=1,bar=2'],
  ['key_illegal_vendor_format', 'foo@@bar=1,bar=2'],
  ['key_illegal_vendor_format', 'foo@bar@baz=1,bar=2'],
  ['value_illegal_characters', 'foo=bar=baz'],
  ['value_illegal_characters', 'foo=,bar=3'],
] as const) {
  test(`tracestate_${name}: ${line} is thrown away`, async t => {
    const send = await proxied(t)
    t.is((await send([unsampled, ['tracestate', line]])).state.size, 0)
  })
}

test('tracestate_member_count_limit: 32 go on, 33 do not', async t => {
  const send = await proxied(t)
  const members = (count: number): Fields =>
    Array.from({ length: count }, (_, i) => ['tracestate', `bar${i}=${i}`] as const)
  t.is((await send([unsampled, ...members(32)])).state.size, 32)
  t.is((await send([unsampled, ...members(33)])).state.size, 0)
})

for (const [key, isKept] of [
  ['z'.repeat(256), true],
  ['z'.repeat(257), false],
  [`${'t'.repeat(241)}@${'v'.repeat(14)}`, true],
  [`${'t'.repeat(242)}@v`, false],
  [`t@${'v'.repeat(15)}`, false],
] as const) {
  test(`tracestate_key_length_limit: a key of ${key.length} characters ${isKept ? 'goes on' : 'is too long'}: ${key.slice(-16)}`, async t => {
    const send = await proxied(t)
    const { state } = await send([unsampled, ['tracestate', 'foo=1'], ['tracestate', `${key}=1`]])
    t.is(state.get('foo'), isKept ? '1' : undefined)
  })
}

test('multiple_requests: each has a parent of its own, and the trace they came with', async t => {
  const send = await proxied(t)
  for (const [fields, traces] of [
    [[['traceparent', valid]], 1],
    [[], 3],
    [[['traceparent', `00-${'0'.repeat(32)}-${span}-01`]], 3],
  ] as const) {
    const tolds = [await send(fields), await send(fields), await send(fields)]
    t.is(new Set(tolds.map(told => told.parentId)).size, 3)
    t.is(new Set(tolds.map(told => told.traceId)).size, traces)
  }
})

test('B3 in one field is followed, and answered in kind beside W3C', async t => {
  const send = await proxied(t)
  const { traceId, parentId, flags, headers } = await send([['b3', `${id}-${span}-1-${span}`]])
  t.is(traceId, id)
  t.is(flags, '01')
  t.deepEqual(headers.get('b3'), [`${id}-${parentId}-1`])
})

test('B3 in several fields is followed, a short id made long', async t => {
  const send = await proxied(t)
  const { traceId, parentId, headers } = await send([
    ['X-B3-TraceId', span],
    ['X-B3-SpanId', '00f067aa0ba902b7'],
    ['X-B3-ParentSpanId', span],
    ['X-B3-Sampled', '0'],
  ])
  t.is(traceId, `${'0'.repeat(16)}${span}`)
  t.deepEqual(headers.get('x-b3-traceid'), [traceId])
  t.deepEqual(headers.get('x-b3-spanid'), [parentId])
  t.deepEqual(headers.get('x-b3-sampled'), ['0'])
  t.false(headers.has('x-b3-parentspanid'))
})

test('a decision in B3 without ids holds for the trace that begins', async t => {
  const send = await proxied(t)
  for (const [field, flags] of [
    [['b3', '0'], '00'],
    [['b3', 'd'], '01'],
    [['X-B3-Sampled', '1'], '01'],
    [['x-b3-sampled', '0'], '00'],
  ] as const)
    t.is((await send([field])).flags, flags)
})

test('W3C goes before B3', async t => {
  const send = await proxied(t)
  const { traceId } = await send([
    ['traceparent', valid],
    ['b3', `${'9'.repeat(32)}-${span}-1`],
  ])
  t.is(traceId, id)
})
