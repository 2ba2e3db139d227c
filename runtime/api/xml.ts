import { Data } from '../data.ts'
import { decodeText } from './xml/characters.ts'
import { XMLNode } from './xml/node.ts'
import { parseXML } from './xml/parse.ts'
import { stringifyXML } from './xml/stringify.ts'

export { type XMLChild, XMLNode } from './xml/node.ts'

/**
 * XML as a tree of nodes. A document is a node without a name, around its root element; text is a string (also that of
 * CDATA, joined with what is beside it), and left out when it is only white space; comments, processing instructions
 * and the DOCTYPE are left out. A document with entities other than XML's own is refused: they are how bombs and
 * stolen files are made. So is one with more than 256 levels or 262144 elements, attributes and texts.
 */
export const XML = {
  /** `new XML.Node(name, attributes, children)`: an element, or a document when the name is ''. */
  Node: XMLNode,

  /** The document that a text is; null when it is none. */
  parse: (text: string): XMLNode | null => parseXML(String(text)),

  /**
   * A document, or an element as one, as text, with `&`, `<`, `>` and quotes escaped; '' when a document has not exactly
   * one root element.
   *
   * @param space spaces of indentation a level, up to 10. Text beside elements then gets lines of its own.
   * @throws TrafficError `RuntimeError` when a name or a character in it is none of XML's.
   */
  stringify: (document: XMLNode | null | undefined, space?: number): string => stringifyXML(document, space),

  /** The document that bytes are, in UTF-8, UTF-16 or the encoding that they declare; null when they are none. */
  decode(data: Data | null | undefined): XMLNode | null {
    if (data === null || data === undefined) return null
    const text = decodeText(data)
    return text === undefined ? null : parseXML(text)
  },

  /** The same as `stringify`, as UTF-8; null for null. */
  encode: (document: XMLNode | null | undefined, space?: number): Data | null =>
    document === null || document === undefined ? null : new Data(stringifyXML(document, space)),
} as const
