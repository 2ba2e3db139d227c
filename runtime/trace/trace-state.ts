import { trimmed } from '../optional-space.ts'

const maxMembers = 32

// W3C Trace Context §3.3.2.2: a vendor's key, or tenant@vendor; and a value that does not end in a space.
const key = /^(?:[a-z][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13})$/
const value = /^[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/

/** A received `tracestate`, its lines joined by commas, as it is to go on. '' when it breaks a rule: then none of it does. */
export function parseTraceState(text: string): string {
  const members: string[] = []
  const seen = new Set<string>()
  for (const part of text.split(',')) {
    const member = trimmed(part)
    if (member === '') continue
    const equals = member.indexOf('=')
    const name = member.slice(0, Math.max(equals, 0))
    if (!key.test(name) || !value.test(member.slice(equals + 1)) || seen.has(name)) return ''
    seen.add(name)
    if (members.push(member) > maxMembers) return ''
  }
  return members.join(',')
}
