import { SaxesParser } from 'saxes'
import { setOwn } from '../../own-property.ts'
import { XMLNode } from './node.ts'

/** Depth of elements in one another. Documents of services have some tens; whoever walks over them by recursion is safe. */
const maxDepth = 256

/**
 * Elements, attributes and texts of a document together: some 10 MB of ordinary XML, half a second of work, and 50 MB of
 * memory.
 */
const maxNodes = 256 * 1024

class Refused extends Error {}

/** A document as a node without a name around its root element; null when it is not well-formed, or beyond the limits. */
export function parseXML(text: string): XMLNode | null {
  try {
    return read(text)
  } catch {
    // The parser throws an Error without a code at the first rule broken.
    return null
  }
}

function read(text: string): XMLNode {
  const document = new XMLNode('')
  const open: XMLNode[] = [document]
  let pending = ''
  let nodes = 0

  const count = (added: number): void => {
    nodes += added
    if (nodes > maxNodes) throw new Refused('too many nodes')
  }
  const endText = (): void => {
    if (/[^ \t\r\n]/.test(pending)) {
      count(1)
      open.at(-1)?.children.push(pending)
    }
    pending = ''
  }
  const addText = (more: string): void => {
    pending += more
  }

  // It knows XML's own five entities, and reads none that a document declares: no bombs, no files.
  const parser = new SaxesParser({ position: false })
  parser.on('text', addText)
  parser.on('cdata', addText)
  parser.on('attribute', () => count(1))
  parser.on('opentag', tag => {
    endText()
    count(1)
    if (open.length > maxDepth) throw new Refused('too deep')
    const node = new XMLNode(tag.name)
    for (const name in tag.attributes) setOwn(node.attributes, name, tag.attributes[name])
    open.at(-1)?.children.push(node)
    open.push(node)
  })
  parser.on('closetag', () => {
    endText()
    open.pop()
  })
  parser.write(text).close()
  return document
}
