/** What an element may have inside: elements, and text as strings. Other values are written as their text. */
export type XMLChild = XMLNode | string | number | bigint | boolean | null | undefined

/**
 * An element; or, with the name '', a document, whose child is its root element. Names have their prefix
 * (`soap:Envelope`), and namespaces are attributes (`xmlns:soap`) like others.
 */
export class XMLNode {
  name: string
  attributes: Record<string, unknown>
  children: XMLChild[]

  constructor(name: string, attributes?: Record<string, unknown> | null, children?: XMLChild[] | null) {
    this.name = name
    this.attributes = attributes ?? {}
    this.children = children ?? []
  }
}
