/** What XML costs. Run with `node bench/micro/xml.ts`. */

import { XML, type XMLNode } from '../../runtime/api/xml.ts'
import { Data } from '../../runtime/data.ts'
import { measureRate } from '../harness/rate.ts'

const item = '<item id="1" kind="book"><name>A &amp; B</name><price currency="EUR">12.50</price></item>'
const samples: Record<string, string> = {
  'SOAP envelope':
    '<?xml version="1.0"?><soap:Envelope xmlns:soap="http://www.w3.org/2003/05/soap-envelope"><soap:Header/>' +
    '<soap:Body><m:GetPrice xmlns:m="https://example.com/prices"><m:Item>Apples</m:Item></m:GetPrice></soap:Body></soap:Envelope>',
  '200 items': `<items>${item.repeat(200)}</items>`,
}

let seen = 0
for (const [name, sample] of Object.entries(samples)) {
  const bytes = new Data(sample)
  const what = { bytes: bytes.size, messages: 1 }
  measureRate(`xml decode ${name}`, what, () => {
    seen += (XML.decode(bytes) as XMLNode).children.length
  })
  const document = XML.decode(bytes)
  measureRate(`xml encode ${name}`, what, () => {
    seen += XML.encode(document)?.size ?? 0
  })
}

if (seen === 0) throw new Error('nothing was measured')
