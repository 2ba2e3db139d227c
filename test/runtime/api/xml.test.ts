import { Buffer } from 'node:buffer'
import test from 'ava'
import fc from 'fast-check'
import { XML, type XMLChild, type XMLNode } from '../../../runtime/api/index.ts'
import { Data } from '../../../runtime/data.ts'

const element = (name: string, attributes?: Record<string, unknown>, children?: XMLChild[]) =>
  new XML.Node(name, attributes, children)
const document = (...children: XMLChild[]) => new XML.Node('', null, children)
const head = '<?xml version="1.0" encoding="UTF-8"?>'

test('a document is a node around its root element', t => {
  t.deepEqual(
    XML.parse('<note to="you"><body>Hi <b>there</b>!</body><empty/></note>'),
    document(
      element('note', { to: 'you' }, [
        element('body', {}, ['Hi ', element('b', {}, ['there']), '!']),
        element('empty'),
      ]),
    ),
  )
})

test('white space between elements, comments and processing instructions are left out; CDATA is text', t => {
  t.deepEqual(
    XML.parse(
      '<?xml version="1.0"?>\n<!-- c -->\n<a>\n  <b/>\n<?php x?>one <!-- c --><![CDATA[<two>]]> &amp; &#x33;</a>\n',
    ),
    document(element('a', {}, [element('b'), '\none <two> & 3'])),
  )
})

test('names keep their prefix, and namespaces are attributes', t => {
  const soap =
    '<soap:Envelope xmlns:soap="http://www.w3.org/2003/05/soap-envelope"><soap:Body/></soap:Envelope>'
  t.deepEqual(
    XML.parse(soap),
    document(
      element('soap:Envelope', { 'xmlns:soap': 'http://www.w3.org/2003/05/soap-envelope' }, [
        element('soap:Body'),
      ]),
    ),
  )
  t.is(XML.stringify(XML.parse(soap)), head + soap)
})

test('what is not well-formed is null', t => {
  for (const text of [
    '',
    'text',
    '<a>',
    '<a></b>',
    '<a/><b/>',
    '<a/>text',
    '<a b=c/>',
    '<a b="1" b="2"/>',
    '<a b="<"/>',
    '<a>&</a>',
    '<a>]]></a>',
    '<a>\u0001</a>',
    '<a>&#0;</a>',
    '<1/>',
    '<a><!-- -- --></a>',
    ' <?xml version="1.0"?><a/>',
  ])
    t.is(XML.parse(text), null, text)
})

test('entities that a document declares are refused, bombs and files alike', t => {
  const bomb = `<!DOCTYPE a [<!ENTITY e0 "ha">${Array.from({ length: 9 }, (_, i) => `<!ENTITY e${i + 1} "${`&e${i};`.repeat(10)}">`).join('')}]><a>&e9;</a>`
  t.is(XML.parse(bomb), null)
  t.is(XML.parse('<!DOCTYPE a [<!ENTITY f SYSTEM "file:///etc/passwd">]><a>&f;</a>'), null)
  t.is(XML.parse('<!DOCTYPE a [<!ENTITY % p SYSTEM "http://127.0.0.1/x"> %p;]><a>&f;</a>'), null)
  t.is(XML.parse('<!DOCTYPE a [<!ENTITY f "x">]><a b="&f;"/>'), null)
  t.is(XML.parse('<a>&constructor;&__proto__;</a>'), null)
  t.deepEqual(XML.parse('<!DOCTYPE a SYSTEM "a.dtd" [<!ELEMENT a ANY>]><a/>'), document(element('a')))
})

test('deep and huge documents are refused', t => {
  const nested = (depth: number) => '<a>'.repeat(depth) + '</a>'.repeat(depth)
  t.not(XML.parse(nested(256)), null)
  t.is(XML.parse(nested(257)), null)
  t.is(XML.parse('<a>'.repeat(100_000)), null)
  t.is(XML.parse(`<a>${'<b/>'.repeat(262_144)}</a>`), null)
})

test('attributes with any name are attributes', t => {
  const { children } = XML.parse('<a __proto__="1" constructor="2"/>') as XMLNode
  t.deepEqual(Object.entries((children[0] as XMLNode).attributes), [
    ['__proto__', '1'],
    ['constructor', '2'],
  ])
})

test('stringify writes one line, or indents', t => {
  const note = document(
    element('note', { a: 1, none: null }, [element('b', {}, ['text']), 'more', element('c'), null, 5]),
  )
  t.is(XML.stringify(note), `${head}<note a="1"><b>text</b>more<c/>5</note>`)
  t.is(XML.stringify(note, 2), `${head}\n<note a="1">\n  <b>text</b>\n  more\n  <c/>\n  5\n</note>\n`)
  t.is(XML.encode(note)?.toString(), XML.stringify(note))
  t.is(XML.stringify(element('a')), `${head}<a/>`)
})

test('stringify escapes what would be markup', t => {
  const tricky = 'a<b>&"\'\r\n\t]]>'
  const given = document(element('a', { x: tricky }, [tricky]))
  t.is(
    XML.stringify(given),
    `${head}<a x="a&lt;b&gt;&amp;&quot;'&#13;&#10;&#9;]]&gt;">a&lt;b&gt;&amp;"'&#13;\n\t]]&gt;</a>`,
  )
  t.deepEqual(XML.parse(XML.stringify(given)), given)
})

test('what is no document is written as nothing', t => {
  t.is(XML.stringify(null), '')
  t.is(XML.stringify(document()), '')
  t.is(XML.stringify(document(element('a'), element('b'))), '')
  t.is(XML.stringify(document('text')), '')
  t.is(XML.encode(null), null)
  t.is(XML.encode(document())?.size, 0)
})

test('names and characters that XML does not have are refused', t => {
  t.throws(() => XML.stringify(element('a b')), { code: 'RuntimeError', message: /"a b" is no name/ })
  t.throws(() => XML.stringify(element('a', { 'x="" y': 1 })), { message: /is no name/ })
  t.throws(() => XML.stringify(element('a', {}, ['\u0001'])), { message: /no character U\+0001/ })
  t.throws(() => XML.stringify(element('a', {}, ['\ud800'])), { message: /no character U\+D800/ })
  const circle = element('a')
  circle.children.push(circle, circle)
  t.throws(() => XML.stringify(circle), { message: /in themselves/ })
})

test('decode reads the encoding that the bytes tell', t => {
  const word = document(element('a', {}, ['é中']))
  const declared = (name: string) => `<?xml version="1.0" encoding="${name}"?><a>é中</a>`
  const bytes = (text: string, encoding: BufferEncoding) => new Data(Buffer.from(text, encoding))
  t.deepEqual(XML.decode(bytes(declared('UTF-8'), 'utf8')), word)
  t.deepEqual(XML.decode(bytes('\ufeff<a>é中</a>', 'utf8')), word)
  t.deepEqual(XML.decode(bytes('\ufeff<a>é中</a>', 'utf16le')), word)
  t.deepEqual(XML.decode(bytes(declared('UTF-16'), 'utf16le')), word)
  t.deepEqual(XML.decode(new Data(bytes(declared('UTF-16'), 'utf16le').bytes().swap16())), word)
  t.deepEqual(
    XML.decode(bytes('<?xml version="1.0" encoding="ISO-8859-1"?><a>é</a>', 'latin1')),
    document(element('a', {}, ['é'])),
  )
  t.deepEqual(
    XML.decode(
      new Data(
        Buffer.concat([
          Buffer.from('<?xml version="1.0" encoding="GBK"?><a>'),
          Buffer.from('d6d0', 'hex'),
          Buffer.from('</a>'),
        ]),
      ),
    ),
    document(element('a', {}, ['中'])),
  )
  t.is(XML.decode(bytes('<a>é</a>', 'latin1')), null)
  t.is(XML.decode(bytes(declared('no-such-encoding'), 'utf8')), null)
  t.is(XML.decode(null), null)
})

const name = fc.stringMatching(/^[a-zA-Z_:][\w:.-]{0,6}$/)
const content = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 12 })
  .filter(text => /[^ \t\r\n]/.test(text))
const { node } = fc.letrec<{ node: XMLNode; child: XMLChild }>(tie => ({
  node: fc
    .tuple(
      name,
      fc.dictionary(name, fc.string({ unit: 'grapheme', maxLength: 8 }), {
        maxKeys: 3,
        noNullPrototype: true,
      }),
      fc.array(tie('child'), { maxLength: 4 }),
    )
    // Texts side by side are one.
    .map(([tag, attributes, children]) =>
      element(
        tag,
        attributes,
        children.filter((child, i) => typeof child !== 'string' || typeof children[i - 1] !== 'string'),
      ),
    ),
  child: fc.oneof({ maxDepth: 4 }, content, tie('node')),
}))

test('property: a document that is written is read back', t => {
  fc.assert(
    fc.property(node, root => {
      const given = document(root)
      t.deepEqual(XML.parse(XML.stringify(given)), given)
      t.deepEqual(XML.decode(XML.encode(given)), given)
    }),
    { numRuns: 200 },
  )
})

test('property: any text is a document that can be written again, or null', t => {
  const nearly = fc
    .array(
      fc.constantFrom(
        '<a',
        '<a>',
        '</a>',
        '/>',
        '>',
        ' b="',
        '"',
        '&amp;',
        '&x;',
        '<!--',
        '-->',
        '<![CDATA[',
        ']]>',
        '<?',
        '?>',
        '<!DOCTYPE a',
        '[',
        ']',
        'x',
        ' ',
      ),
      { maxLength: 12 },
    )
    .map(parts => parts.join(''))
  fc.assert(
    fc.property(fc.oneof(nearly, fc.string({ unit: 'binary' })), text => {
      const parsed = XML.parse(text)
      if (parsed !== null) t.deepEqual(XML.parse(XML.stringify(parsed)), parsed)
      else t.pass()
    }),
    { numRuns: 1000 },
  )
})
