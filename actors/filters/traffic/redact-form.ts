import { redactJSON } from './redact-json.ts'
import { type Redaction, redacted } from './redaction.ts'

/** Some servers take `;` for `&`. */
const separators = /([&;])/
/** A field may have several URLs in it, each with a query. */
const urlSeparators = /([&;?])/

/** Parameters of a query or a form (`a=1&b=2`): the values of those to be hidden are replaced, all else stays as it is. */
export function redactForm(text: string, redaction: Redaction, between: RegExp = separators): string {
  if (!redaction.mayHold(text, '%')) return text
  return text
    .split(between)
    .map(parameter => {
      const equals = parameter.indexOf('=')
      if (equals < 0) return parameter
      const name = parameter.slice(0, equals)
      const value = redaction.hidesParameter(decode(name))
        ? redacted
        : redactValue(parameter.slice(equals + 1), redaction)
      return `${name}=${value}`
    })
    .join('')
}

/** A value that is JSON, as webhooks send it in forms, is looked through. */
function redactValue(value: string, redaction: Redaction): string {
  const text = decode(value)
  if (!/^\s*[[{"]/.test(text) || !redaction.mayHoldInJSON(text)) return value
  const clean = redactJSON(text, redaction)
  return clean === text ? value : clean === undefined ? redacted : encodeURIComponent(clean)
}

/** A URL, the target of a request, or a field that has URLs in it: parameters of its query as above, and no password. */
export function redactURL(url: string, redaction: Redaction): string {
  const bare = url.includes('@') ? withoutUserInfo(url) : url
  const query = bare.indexOf('?')
  if (query < 0 || !redaction.hasNames) return bare
  const fragment = bare.indexOf('#', query)
  const end = fragment < 0 ? bare.length : fragment
  return (
    bare.slice(0, query + 1) +
    redactForm(bare.slice(query + 1, end), redaction, urlSeparators) +
    bare.slice(end)
  )
}

/** Takes out what stands between `://` and `@`, wherever it does. By hand: a pattern would look at long names once for each character. */
function withoutUserInfo(text: string): string {
  let out = ''
  let written = 0
  for (let at = text.indexOf('://'); at >= 0; at = text.indexOf('://', at + 3)) {
    let sign = -1
    for (let i = at + 3; i < text.length && !'/?#<> "'.includes(text[i] as string); i++)
      if (text[i] === '@') sign = i
    if (sign < 0) continue
    out += text.slice(written, at + 3)
    written = sign + 1
  }
  return out + text.slice(written)
}

function decode(name: string): string {
  const spaced = name.replaceAll('+', ' ')
  try {
    return decodeURIComponent(spaced)
  } catch {
    return spaced
  }
}
