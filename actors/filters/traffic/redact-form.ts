import { type Redaction, redacted } from './redaction.ts'

/** Parameters of a query or a form (`a=1&b=2`): the values of those to be hidden are replaced, all else stays as it is. */
export function redactForm(text: string, redaction: Redaction): string {
  if (!redaction.mayHold(text, '%')) return text
  return text
    .split('&')
    .map(parameter => {
      const equals = parameter.indexOf('=')
      const name = equals < 0 ? parameter : parameter.slice(0, equals)
      return equals >= 0 && redaction.hides(decode(name)) ? `${name}=${redacted}` : parameter
    })
    .join('&')
}

/** A URL, or the target of a request: parameters of its query as above, and no password. */
export function redactURL(url: string, redaction: Redaction): string {
  const bare = url.includes('@') ? url.replace(/^([a-z][a-z\d+.-]*:\/\/)[^/?#]*@/i, '$1') : url
  const query = bare.indexOf('?')
  if (query < 0 || !redaction.hasNames) return bare
  const fragment = bare.indexOf('#', query)
  const end = fragment < 0 ? bare.length : fragment
  return bare.slice(0, query + 1) + redactForm(bare.slice(query + 1, end), redaction) + bare.slice(end)
}

function decode(name: string): string {
  const spaced = name.replaceAll('+', ' ')
  try {
    return decodeURIComponent(spaced)
  } catch {
    return spaced
  }
}
