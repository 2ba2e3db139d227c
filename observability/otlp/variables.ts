import { TrafficError } from '../../runtime/errors.ts'

/** Environment variables, as whoever may read them hands them in. */
export type Variables = Readonly<Record<string, string | undefined>>

/** @throws always TrafficError `BadOption` */
export function refuse(name: string, value: string, wanted: string): never {
  throw new TrafficError('BadOption', `${name} wants ${wanted}, and is ${JSON.stringify(value)}`)
}

/** An empty variable is the same as none: so the conventions of OpenTelemetry. */
export function textOf(variables: Variables, name: string): string | undefined {
  const value = variables[name]?.trim()
  return value === '' ? undefined : value
}

export function countOf(variables: Variables, name: string, fallback: number, least = 1): number {
  const text = textOf(variables, name)
  if (text === undefined) return fallback
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (!(value >= least)) refuse(name, text, `a whole number from ${least} on`)
  return value
}

export function shareOf(name: string, text: string): number {
  const value = /^[\d.eE+-]+$/.test(text) ? Number(text) : Number.NaN
  if (!(value >= 0 && value <= 1)) refuse(name, text, 'a share from 0 (none) to 1 (all)')
  return value
}

export function listOf(text: string | undefined): string[] {
  return (text ?? '')
    .split(',')
    .map(item => item.trim())
    .filter(item => item !== '')
}

/** `name=value` pairs, comma-separated, their values percent-encoded as in W3C Baggage. */
export function pairsOf(name: string, text: string | undefined): Record<string, string> {
  const pairs: Record<string, string> = {}
  for (const item of listOf(text)) {
    const equals = item.indexOf('=')
    if (equals < 1) refuse(name, item, 'name=value pairs, separated by commas')
    try {
      pairs[item.slice(0, equals).trim()] = decodeURIComponent(item.slice(equals + 1).trim())
    } catch {
      refuse(name, item, 'values whose percent-encoding is whole')
    }
  }
  return pairs
}
