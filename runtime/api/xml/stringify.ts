import { TrafficError } from '../../errors.ts'
import { XMLNode } from './node.ts'

/** Elements nested deeper than this are refused: they would be read by nobody, or contain themselves. */
const maxDepth = 256

const declaration = '<?xml version="1.0" encoding="UTF-8"?>'

/** XML 1.0 §2.3. */
const nameStart =
  ':A-Z_a-z\\u00c0-\\u00d6\\u00d8-\\u00f6\\u00f8-\\u02ff\\u0370-\\u037d\\u037f-\\u1fff\\u200c\\u200d\\u2070-\\u218f\\u2c00-\\u2fef\\u3001-\\ud7ff\\uf900-\\ufdcf\\ufdf0-\\ufffd\\u{10000}-\\u{effff}'
const nameShape = new RegExp(
  `^[${nameStart}][${nameStart}\\-.0-9\\u00b7\\u0300-\\u036f\\u203f\\u2040]*$`,
  'u',
)

/** Nearly all names, found faster. */
const commonName = /^[A-Za-z_][\w.-]*$/

/** Text that goes as it is, found faster: ASCII without markup. */
const commonText = /^[ !#-%'-;=?-~]*$/

/** Characters that no XML 1.0 document can have, not even as references (§2.2). */
const forbidden = /[^\t\n\r\x20-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u

/**
 * A document as text; '' when it is none: a node without a name has exactly one element as its child.
 *
 * @param space spaces of indentation a level, at most 10; 0 writes all in one line.
 * @throws TrafficError `RuntimeError` on names that are none, characters that XML does not have, and elements nested
 *   deeper than 256.
 */
export function stringifyXML(document: XMLNode | null | undefined, space = 0): string {
  const root = rootOf(document)
  if (root === undefined) return ''
  const indent = ' '.repeat(Math.max(0, Math.min(10, Math.floor(space) || 0)))
  const out = [declaration]
  if (indent !== '') out.push('\n')
  write(root, { out, indent, depth: 0 })
  return out.join('')
}

function rootOf(document: XMLNode | null | undefined): XMLNode | undefined {
  if (!(document instanceof XMLNode)) return undefined
  if (document.name) return document
  const [root] = document.children
  return document.children.length === 1 && root instanceof XMLNode && root.name ? root : undefined
}

interface Place {
  readonly out: string[]
  readonly indent: string
  depth: number
}

function write(node: XMLNode, place: Place): void {
  const { out, indent, depth } = place
  if (depth >= maxDepth)
    throw new TrafficError(
      'RuntimeError',
      `XML elements are nested deeper than ${maxDepth}, or in themselves`,
    )
  const margin = indent.repeat(depth)
  const lineEnd = indent === '' ? '' : '\n'
  const name = checkedName(String(node.name))
  out.push(margin, '<', name, attributesOf(node))
  const children = (node.children ?? []).filter(child => child !== null && child !== undefined)
  const [only] = children
  if (children.length === 0) {
    out.push('/>', lineEnd)
  } else if (children.length === 1 && !(only instanceof XMLNode)) {
    out.push('>', escapeText(String(only)), '</', name, '>', lineEnd)
  } else {
    out.push('>', lineEnd)
    place.depth++
    for (const child of children) {
      if (child instanceof XMLNode) write(child, place)
      else out.push(margin, indent, escapeText(String(child)), lineEnd)
    }
    place.depth--
    out.push(margin, '</', name, '>', lineEnd)
  }
}

function attributesOf(node: XMLNode): string {
  let text = ''
  for (const [name, value] of Object.entries(node.attributes ?? {})) {
    if (value !== null && value !== undefined)
      text += ` ${checkedName(name)}="${escapeAttribute(String(value))}"`
  }
  return text
}

function checkedName(name: string): string {
  if (!commonName.test(name) && !nameShape.test(name))
    throw new TrafficError(
      'RuntimeError',
      `${JSON.stringify(name)} is no name of an XML element or attribute`,
    )
  return name
}

function checkedText(text: string): string {
  const bad = forbidden.exec(text)
  if (bad !== null) {
    const code = (text.codePointAt(bad.index) as number).toString(16).padStart(4, '0')
    throw new TrafficError('RuntimeError', `XML has no character U+${code.toUpperCase()}; leave it out`)
  }
  return text
}

const references: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  '\t': '&#9;',
  '\n': '&#10;',
  '\r': '&#13;',
}

const escapeText = (text: string): string =>
  commonText.test(text)
    ? text
    : checkedText(text).replace(/[&<>\r]/g, character => references[character] as string)

const escapeAttribute = (text: string): string =>
  commonText.test(text)
    ? text
    : checkedText(text).replace(/[&<>"\t\n\r]/g, character => references[character] as string)
