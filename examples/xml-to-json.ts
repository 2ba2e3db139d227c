/**
 * For clients that send XML and a service that takes JSON: bodies of requests are changed on the way, and what is not
 * XML is answered with 400. An element becomes an object of the elements in it, those of the same name an array; an
 * element that has only text becomes that text.
 *
 *     TARGET=localhost:8080 sluice examples/xml-to-json.ts       curl -d '<user><name>Ada</name></user>' localhost:8000
 */

import { JSON, Message, os, sluice, XML, type XMLNode } from 'sluice'

function toValue({ children }: XMLNode): unknown {
  const elements = children.filter(child => child instanceof XML.Node)
  if (elements.length === 0) return children.join('')
  const groups = Map.groupBy(elements, ({ name }) => name).entries()
  const values = groups.map(([name, all]) => [name, all.map(toValue)] as const)
  return Object.fromEntries(values.map(([name, all]) => [name, all.length > 1 ? all : all[0]]))
}

export default sluice()
  .listen(Number(os.env.PORT ?? 8000))
  .demuxHTTP()
  .to($ =>
    $.branchMessage(
      ({ body }) => XML.decode(body) === null,
      $ => $.replaceMessage(new Message({ status: 400 }, 'Not XML\n')),
      $ =>
        $.replaceMessage(({ head, body }) => {
          head.headers['content-type'] = 'application/json'
          return new Message(head, JSON.encode(toValue(XML.decode(body) as XMLNode)))
        })
          .muxHTTP()
          .to($ => $.connect(os.env.TARGET ?? 'localhost:8080')),
    ),
  )
