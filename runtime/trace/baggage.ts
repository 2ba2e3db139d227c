import { trimmed } from '../optional-space.ts'
import type { TraceContext } from './trace-context.ts'

/** What W3C Baggage §3.3.2 asks everybody to carry: so many members, and so many bytes of them and the commas between. */
const most = { members: 64, bytes: 8192 } as const

// §3.2.1: a token, a value without spaces, quotes, commas, semicolons and backslashes, and properties of the same kind.
const token = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+"
const value = '[!#-+\\--:<-\\[\\]-~]*'
const member = new RegExp(
  `^${token}[ \\t]*=[ \\t]*${value}(?:[ \\t]*;[ \\t]*${token}(?:[ \\t]*=[ \\t]*${value})?)*$`,
)

/**
 * A received `baggage`, its lines joined by commas, as it is to go on with messages: members that break a rule are left
 * out, and so are those that find no room, whole, as §3.3.2 wants it. '' when nothing is left.
 */
export function parseBaggage(text: string): string {
  let baggage = ''
  let members = 0
  for (const part of text.split(',')) {
    const own = trimmed(part)
    // Longer ones have no room anyhow, and need not be looked at.
    if (own.length > most.bytes || !member.test(own)) continue
    const longer = baggage === '' ? own : `${baggage},${own}`
    if (longer.length > most.bytes) continue
    baggage = longer
    if (++members === most.members) break
  }
  return baggage
}

/**
 * The lines of a request head that tell of its trace, with the baggage of the work that it comes from: for a request that
 * a script has made. One that came with baggage has it in its head, or its script has taken it out.
 */
export function withBaggage(lines: string, { baggage }: TraceContext, head: object): string {
  if (baggage === '') return lines
  const { hasTrace, headers } = head as { hasTrace?: boolean; headers?: object }
  if (hasTrace === true || Object.keys(headers ?? {}).some(isBaggage)) return lines
  return `${lines}baggage: ${baggage}\r\n`
}

/** Whether this is the name of the field, however it is written. */
export const isBaggage = (name: string): boolean => name.length === 7 && name.toLowerCase() === 'baggage'
