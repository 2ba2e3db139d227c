import { type Redaction, redacted } from './redaction.ts'

const tag = /<(\/?)([\p{L}_:][\p{L}\p{N}_.:-]*)((?:[^<>"']|"[^"]*"|'[^']*')*)>/uy
/** A name begins where none is: else a long one would be looked at once for each of its letters. */
const attribute = /(?<![\p{L}\p{N}_.:-])([\p{L}_:][\p{L}\p{N}_.:-]*)(\s*=\s*)("[^"]*"|'[^']*')/gu

/** Parts of XML that hold no elements, by how they begin. */
const doctype = ['<!DOCTYPE', '>'] as const
const opaque = [doctype, ['<!--', '-->'], ['<![CDATA[', ']]>'], ['<?', '?>']] as const

/** XML in texts and comments of XML that is looked through; what is deeper is not shown. */
const mostTexts = 8

const entities = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" } as const
const escapedTag = /&(?:lt|#0*60|#x0*3c);/i

/** Text between tags: XML may be written in it, escaped. */
function redactText(text: string, redaction: Redaction, depth: number): string {
  if (!escapedTag.test(text)) return text
  const inner = text
    .replace(/&#(?:0*60|x0*3c);/gi, '<')
    .replace(/&(lt|gt|amp|quot|apos);/g, (_, name: keyof typeof entities) => entities[name])
  return redactXML(inner, redaction, depth + 1) === inner ? text : redacted
}

/** A tag that the end of the text cuts. */
const cutTag = /^<\/?(?:[\p{L}_:][^>]*)?$/u

const localName = (name: string): string => name.slice(name.indexOf(':') + 1)

/**
 * Goes through XML text and hides what is inside of elements, and the values of attributes, with names to be hidden. A
 * body that was cut is read up to the cut.
 *
 * @returns undefined when the text cannot be understood, or declares entities: it must not be shown then
 */
export function redactXML(text: string, redaction: Redaction, depth = 0): string | undefined {
  if (!redaction.mayHold(text, '<!DOCTYPE')) return text
  if (depth === mostTexts) return undefined
  let out = ''
  /** The element being hidden, and how many of its name are open inside of it. */
  let hidden = ''
  let open = 0
  let at = 0
  while (at < text.length) {
    const next = text.indexOf('<', at)
    if (hidden === '') out += redactText(text.slice(at, next < 0 ? text.length : next), redaction, depth)
    if (next < 0) return out
    const part = opaque.find(([begin]) => text.startsWith(begin, next))
    if (part === doctype && text.slice(next, text.indexOf('>', next)).includes('[')) return undefined
    if (part !== undefined) {
      const end = text.indexOf(part[1], next)
      at = end < 0 ? text.length : end + part[1].length
      if (hidden !== '') continue
      const [begin, close] = part
      const inner = text.slice(next + begin.length, end < 0 ? at : end)
      out +=
        part === doctype ? text.slice(next, at) : begin + (redactXML(inner, redaction, depth + 1) ?? redacted)
      if (part !== doctype && end >= 0) out += close
      continue
    }
    tag.lastIndex = next
    const match = tag.exec(text)
    // Cut inside of a tag, which is left out; anything else that is no tag cannot be understood.
    if (match === null) return cutTag.test(text.slice(next)) ? out : undefined
    const [whole, slash, name, rest] = match as unknown as [string, string, string, string]
    at = next + whole.length
    const isEmpty = rest.endsWith('/')
    if (hidden !== '') {
      if (name !== hidden) continue
      if (slash === '') open += isEmpty ? 0 : 1
      else if (--open === 0) {
        hidden = ''
        out += whole
      }
      continue
    }
    const shown = rest.replace(attribute, (all, key: string, equals: string) =>
      redaction.hides(localName(key)) ? `${key}${equals}"${redacted}"` : all,
    )
    out += `<${slash}${name}${shown}>`
    if (slash !== '' || isEmpty || !redaction.hides(localName(name))) continue
    hidden = name
    open = 1
    out += redacted
  }
  return out
}
