/** What is to be hidden is hidden, wherever it is written and however the body was cut. */

import test from 'ava'
import fc from 'fast-check'
import { JSONWriter, textToJSON } from '../../../actors/filters/traffic/json-writer.ts'
import { redactForm, redactURL } from '../../../actors/filters/traffic/redact-form.ts'
import { redactJSON } from '../../../actors/filters/traffic/redact-json.ts'
import { redactXML } from '../../../actors/filters/traffic/redact-xml.ts'
import { Redaction } from '../../../actors/filters/traffic/redaction.ts'

const rules = (...given: (string | RegExp)[]): Redaction => new Redaction(given, [])
const json = (text: string, ...given: (string | RegExp)[]): string | undefined =>
  redactJSON(text, rules(...given))

/** Bytes as the inside of a JSON string. */
function bytesToJSON(bytes: Uint8Array): string {
  const out = new JSONWriter()
  out.begin()
  out.escaped(bytes, 0, bytes.length)
  return out.take().toString()
}

const secret = 'hunter2'

test('a path hides the value that it leads to, of whatever kind', t => {
  t.is(json('{"card":{"number":"1","cvc":2}}', '$.card.number'), '{"card":{"number":"[redacted]","cvc":2}}')
  t.is(
    json('{"a":[{"b":1},{"b":[2,{"c":3}]}],"b":4}', '$.a[*].b'),
    '{"a":[{"b":"[redacted]"},{"b":"[redacted]"}],"b":4}',
  )
  t.is(json('[1,2,3]', '$[1]'), '[1,"[redacted]",3]')
  t.is(
    json('{"x":{"y":{"pin":true}},"pin":null}', '$..pin'),
    '{"x":{"y":{"pin":"[redacted]"}},"pin":"[redacted]"}',
  )
  t.is(json('{"first name":"Ada"}', "$['first name']"), '{"first name":"[redacted]"}')
  t.is(json('{"a":1}', '$'), '"[redacted]"')
  t.is(json('{"a":{"b":1}}', '$.a.*'), '{"a":{"b":"[redacted]"}}')
  t.is(json('{"b":1}', '$.a.b'), '{"b":1}')
})

test('a name hides members at any depth, in any case; so does a pattern', t => {
  t.is(json('{"a":[{"PassWord":"x"}]}', 'password'), '{"a":[{"PassWord":"[redacted]"}]}')
  t.is(json('{"creditCardNo":1,"x":2}', /card/i), '{"creditCardNo":"[redacted]","x":2}')
  t.is(json('{"\\u0070assword":"x"}', 'password'), '{"\\u0070assword":"[redacted]"}')
})

test('lines of JSON are looked through one after the other', t => {
  t.is(json('{"pin":1}\n{"pin":2}\n', 'pin'), '{"pin":"[redacted]"}\n{"pin":"[redacted]"}\n')
})

test('what is no JSON is not shown', t => {
  for (const text of [
    "{'pin':1}",
    '{"pin"=1}',
    '{pin:1}',
    '<a>',
    '[1 2]',
    '{"a":1 "b":2}',
    'x',
    '{"a":tru,}',
    `${'['.repeat(1000)}`,
  ])
    t.is(json(text, 'pin'), undefined, text.slice(0, 20))
})

test('whatever JSON there is, and wherever it is cut, the secret does not come out', t => {
  const name = fc.constantFrom('a', 'pin', 'PIN', 'b c', 'x"y')
  const { value } = fc.letrec(tie => ({
    value: fc.oneof(
      { depthSize: 'small' },
      fc.constantFrom<unknown>(1, -2.5e3, true, null, 'text', 'q"\\u', ''),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(name, tie('value'), { maxKeys: 4 }),
    ),
  }))
  const hide = (given: unknown): unknown =>
    Array.isArray(given)
      ? given.map(hide)
      : typeof given === 'object' && given !== null
        ? Object.fromEntries(
            Object.entries(given).map(([key, each]) => [
              key,
              key.toLowerCase() === 'pin' ? '[redacted]' : hide(each),
            ]),
          )
        : given
  const plant = (given: unknown): unknown =>
    Array.isArray(given)
      ? given.map(plant)
      : typeof given === 'object' && given !== null
        ? Object.fromEntries(
            Object.entries(given).map(([key, each]) => [
              key,
              key.toLowerCase() === 'pin' ? [secret, { deep: secret, '}': '\\"' }] : plant(each),
            ]),
          )
        : given
  fc.assert(
    fc.property(value, fc.boolean(), fc.double({ min: 0, max: 1, noNaN: true }), (given, isWide, where) => {
      const text = JSON.stringify(plant(given), undefined, isWide ? 2 : undefined)
      const whole = json(text, 'pin')
      t.deepEqual(JSON.parse(whole as string), hide(given))
      const cut = json(text.slice(0, Math.floor(text.length * where)), 'pin')
      t.not(cut, undefined)
      t.false((cut as string).includes(secret.slice(0, 2)))
    }),
    { numRuns: 500 },
  )
})

test('any text at all gives an answer', t => {
  const redaction = rules('pin', '$.a[*].b')
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom(...'{}[]":,\\ 0e-.ntfpin<>/!='.split('')), maxLength: 60 }),
      text => {
        redactJSON(text, redaction)
        redactXML(text, redaction)
        redactForm(text, redaction)
      },
    ),
    { numRuns: 2000 },
  )
  t.pass()
})

test('parameters of forms and queries are hidden by name, however it is written', t => {
  const redaction = rules('password', /card/i)
  t.is(
    redactForm('user=ada&password=x&%70assword=y&creditCard=1&flag&b=%20', redaction),
    'user=ada&password=[redacted]&%70assword=[redacted]&creditCard=[redacted]&flag&b=%20',
  )
  t.is(redactURL('/login?password=x#top', redaction), '/login?password=[redacted]#top')
  t.is(redactURL('http://ada:secret@a.example/?b=1', redaction), 'http://a.example/?b=1')
  t.is(redactURL('/login?%zz=1&password=2', redaction), '/login?%zz=1&password=[redacted]')
})

test('names in brackets, other separators and JSON inside do not get a parameter past', t => {
  const redaction = rules('password')
  const shown = (text: string): string => redactForm(text, redaction)
  t.is(
    shown('user[password]=x&password[]=y&user.password=z'),
    'user[password]=[redacted]&password[]=[redacted]&user.password=[redacted]',
  )
  t.is(shown('a%5Bpassword%5D=x'), 'a%5Bpassword%5D=[redacted]')
  t.is(shown('a=1;password=x&b=2'), 'a=1;password=[redacted]&b=2')
  t.is(
    shown(`payload=${encodeURIComponent('{"password":"x","a":1}')}&b=2`),
    `payload=${encodeURIComponent('{"password":"[redacted]","a":1}')}&b=2`,
  )
  t.is(shown('payload={"password":"x"'), `payload=${encodeURIComponent('{"password":"[redacted]"')}`)
  t.is(shown('payload={password:x'), 'payload=[redacted]')
  t.is(
    redactURL('</a?x=1>; rel="next", </b?password=3>', redaction),
    '</a?x=1>; rel="next", </b?password=[redacted]',
  )
  t.is(
    redactURL('<https://ada:secret@a.example/>; rel="next"', redaction),
    '<https://a.example/>; rel="next"',
  )
  t.is(redactURL('5; url=https://ada:secret@a.example/', redaction), '5; url=https://a.example/')
})

test('JSON in a text of JSON is looked through as well, as deep as it goes', t => {
  const inner = JSON.stringify({ password: secret, a: [1] })
  const wrap = (text: string): string => JSON.stringify({ payload: text, b: 2 })
  const hidden = JSON.stringify({ password: '[redacted]', a: [1] })
  t.is(json(wrap(inner), 'password'), wrap(hidden))
  t.is(json(wrap(wrap(inner)), 'password'), wrap(wrap(hidden)))
  t.is(
    json(JSON.stringify([inner, 'password: none of it']), 'password'),
    JSON.stringify([hidden, 'password: none of it']),
  )
  t.is(
    json('{"a":"\\u007b\\u0022password\\u0022:\\u00221\\u0022}"}', 'password'),
    '{"a":"{\\"password\\":\\"[redacted]\\"}"}',
  )
  t.is(json(wrap('{"a":1 "password":2'), 'password'), wrap('[redacted]'))
  const whole = wrap(wrap(inner))
  for (let at = 0; at <= whole.length; at++)
    t.false(json(whole.slice(0, at), 'password')?.includes('hunt') ?? false)
  const deep = Array.from({ length: 12 }).reduce<string>(text => JSON.stringify([text]), inner)
  t.false(json(deep, 'password')?.includes(secret))
})

test('a name without end is looked at once', t => {
  // What looked at it once for each of its letters would not come back.
  const long = 'c'.repeat(3_000_000)
  t.is(redactXML(`<a ${long} pin="1">`, rules('pin')), `<a ${long} pin="[redacted]">`)
  t.is(redactURL(`${long}@?pin=1`, rules('pin')), `${long}@?pin=[redacted]`)
  t.is(json(`{"pin":"${'\\'.repeat(3_000_000)}`, 'pin'), '{"pin":"[redacted]"')
  t.false(json(`{"pin":1,"a":"${'\\'.repeat(3_000_001)}`, 'pin')?.includes('"pin":1'))
})

test('XML in parts of XML that hold no elements is looked through as well', t => {
  const redaction = rules('pin')
  const shown = (text: string): string | undefined => redactXML(text, redaction)
  t.is(shown('<a><![CDATA[<pin>1</pin>]]></a>'), '<a><![CDATA[<pin>[redacted]</pin>]]></a>')
  t.is(shown('<a><!-- <pin>1</pin> --></a>'), '<a><!-- <pin>[redacted]</pin> --></a>')
  t.is(shown('<a><![CDATA[pin < 1]]></a>'), '<a><![CDATA[[redacted]]]></a>')
  t.is(shown('<a>&lt;pin&gt;1&lt;/pin&gt;</a>'), '<a>[redacted]</a>')
  t.is(shown('<a>pin &amp; others</a>'), '<a>pin &amp; others</a>')
  t.false(shown(`${'<!--'.repeat(20_000)}<pin>1</pin>`)?.includes('1'))
})

test('elements and attributes of XML are hidden by name, with all that is inside', t => {
  const redaction = rules('pin')
  const shown = (text: string): string | undefined => redactXML(text, redaction)
  t.is(
    shown('<a><pin>1<b/>2</pin><c pin="3" d="4"/></a>'),
    '<a><pin>[redacted]</pin><c pin="[redacted]" d="4"/></a>',
  )
  t.is(shown('<s:pin><s:pin>1</s:pin></s:pin>x'), '<s:pin>[redacted]</s:pin>x')
  t.is(shown('<pin><![CDATA[</pin>]]>1</pin>'), '<pin>[redacted]</pin>')
  t.is(shown('<!DOCTYPE pin><?xml pin?><!-- pin --><pin/>x'), '<!DOCTYPE pin><?xml pin?><!-- pin --><pin/>x')
  t.is(shown('<a><pin>secr'), '<a><pin>[redacted]')
  t.is(shown('<a><c pin="secr'), '<a>')
  t.is(shown('<!DOCTYPE a [<!ENTITY x "pin">]><a>&x;</a>'), undefined)
  t.is(shown('pin < 1'), undefined)
})

test('text becomes JSON as JSON.stringify would have it', t => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), text => {
      const inside = JSON.stringify(text).slice(1, -1)
      t.is(textToJSON(text), inside)
      const bytes = Buffer.from(text)
      t.is(JSON.parse(`"${bytesToJSON(bytes)}"`), bytes.toString())
    }),
  )
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), bytes => {
      t.is(JSON.parse(`"${bytesToJSON(bytes)}"`), Buffer.from(bytes).toString())
    }),
  )
})
