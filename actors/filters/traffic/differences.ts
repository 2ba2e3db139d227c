import type { Answer, AnswerBody } from './answer.ts'
import { type CompareSettings, everDiffering } from './mirror-options.ts'
import { redactJSON } from './redact-json.ts'
import { credentials, Redaction } from './redaction.ts'

/** Where two answers differ, with both values where they are short and no secret. */
export interface Difference {
  /** `status`, `error`, `header etag`, `body`, or a place in a JSON body like `$.items[2].price`. */
  readonly at: string
  readonly primary?: string | number | undefined
  readonly mirror?: string | number | undefined
}

/** Places in one body that are told. */
const mostPlaces = 20
const mostLevels = 64

/** Compares answers as one place in a script wants. */
export class Comparer {
  private readonly ignored: ReadonlySet<string>
  private readonly ignoredMembers: Redaction

  constructor(settings: CompareSettings) {
    // What is said of the length and the coding of a body is seen in the body.
    this.ignored = new Set([...everDiffering, 'content-encoding', 'vary', ...settings.ignoreHeaders])
    this.ignoredMembers = new Redaction(settings.ignoreBody, [])
  }

  async compare(primary: Answer, mirror: Answer): Promise<Difference[]> {
    if (mirror.error !== '') return [{ at: 'error', mirror: mirror.error }]
    const found: Difference[] = []
    if (primary.status !== mirror.status)
      found.push({ at: 'status', primary: primary.status, mirror: mirror.status })
    this.compareHeaders(primary.headers, mirror.headers, found)
    const [ours, theirs] = await Promise.all([primary.body(), mirror.body()])
    if (isSame(ours, theirs)) return found
    const isJSON = primary.type.kind === 'json' && mirror.type.kind === 'json'
    if (ours.isCut || theirs.isCut || !isJSON || !this.compareJSON(ours.bytes, theirs.bytes, found))
      found.push({ at: 'body', primary: primary.bodyBytes, mirror: mirror.bodyBytes })
    return found
  }

  private compareHeaders(
    ours: Readonly<Record<string, unknown>>,
    theirs: Readonly<Record<string, unknown>>,
    found: Difference[],
  ): void {
    for (const name of new Set([...Object.keys(ours), ...Object.keys(theirs)])) {
      const primary = ours[name] === undefined ? undefined : String(ours[name])
      const mirror = theirs[name] === undefined ? undefined : String(theirs[name])
      if (primary === mirror || this.ignored.has(name)) continue
      const isSecret = (credentials as readonly string[]).includes(name)
      found.push(isSecret ? { at: `header ${name}` } : { at: `header ${name}`, primary, mirror })
    }
  }

  /** False when they cannot be compared as JSON. */
  private compareJSON(ours: Buffer, theirs: Buffer, found: Difference[]): boolean {
    const primary = this.parse(ours)
    const mirror = this.parse(theirs)
    if (primary === undefined || mirror === undefined) return false
    addPlaces(primary.value, mirror.value, '$', found, 0)
    return true
  }

  private parse(bytes: Buffer): { value: unknown } | undefined {
    const text = bytes.toString()
    const compared = this.ignoredMembers.mayHoldInJSON(text) ? redactJSON(text, this.ignoredMembers) : text
    try {
      return compared === undefined ? undefined : { value: JSON.parse(compared) }
    } catch {
      return undefined
    }
  }
}

const isSame = (ours: AnswerBody, theirs: AnswerBody): boolean =>
  ours.isCut || theirs.isCut ? ours.hash === theirs.hash : ours.bytes.equals(theirs.bytes)

/** Notes where two values of JSON differ. The order of members says nothing. */
function addPlaces(ours: unknown, theirs: unknown, at: string, found: Difference[], level: number): void {
  if (found.length >= mostPlaces || Object.is(ours, theirs)) return
  const areBoth = typeof ours === 'object' && typeof theirs === 'object' && ours !== null && theirs !== null
  if (!areBoth || Array.isArray(ours) !== Array.isArray(theirs) || level === mostLevels) {
    found.push({ at })
    return
  }
  const [a, b] = [ours as Record<string, unknown>, theirs as Record<string, unknown>]
  for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
    const place = Array.isArray(ours)
      ? `${at}[${key}]`
      : /^\w+$/.test(key)
        ? `${at}.${key}`
        : `${at}['${key}']`
    if (Object.hasOwn(a, key) && Object.hasOwn(b, key)) addPlaces(a[key], b[key], place, found, level + 1)
    else if (found.length < mostPlaces) found.push({ at: place })
  }
}
