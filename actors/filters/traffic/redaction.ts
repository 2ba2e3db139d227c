import { TrafficError } from '../../../runtime/errors.ts'
import { show } from '../../../runtime/options.ts'
import { type JSONPath, parseJSONPath } from './json-path.ts'

/** What stands in the place of what nobody is to see. */
export const redacted = '[redacted]'

/** Fields of heads that are credentials: never written unless the script says so (`reveal`). */
export const credentials = ['authorization', 'cookie', 'proxy-authorization', 'set-cookie'] as const

/**
 * What must not leave the process. A name (text or regular expression) is meant wherever something has a name: fields of
 * heads, parameters of queries and forms, members of JSON at any depth, elements and attributes of XML. A path ('$.card.number') is
 * meant in JSON.
 */
export class Redaction {
  readonly paths: readonly JSONPath[]
  private readonly names: ReadonlySet<string>
  private readonly patterns: readonly RegExp[]
  private readonly secretFields: ReadonlySet<string>
  /** Finds out quickly that a text has none of the names; null when they cannot be searched for. */
  private readonly anyName: RegExp | null
  private readonly anyMember: RegExp | null

  constructor(rules: readonly (string | RegExp)[], reveal: readonly string[]) {
    const texts = rules.filter(rule => typeof rule === 'string')
    this.paths = texts.filter(rule => rule.startsWith('$')).map(parseJSONPath)
    const names = texts.filter(rule => !rule.startsWith('$')).map(name => name.toLowerCase())
    this.names = new Set(names)
    // Without the flags that make a pattern remember where it was.
    this.patterns = rules
      .filter(rule => rule instanceof RegExp)
      .map(rule => new RegExp(rule.source, rule.flags.replace(/[gy]/g, '')))
    const revealed = new Set(reveal.map(name => name.toLowerCase()))
    this.secretFields = new Set(credentials.filter(name => !revealed.has(name)))
    const cannotSearch = this.patterns.length > 0
    this.anyName = cannotSearch || names.length === 0 ? null : anyOf(names)
    // A path leads nowhere without each of its names, so that looking for one does.
    const keys = this.paths.map(path => path.findLast(({ key }) => typeof key === 'string')?.key)
    // Other characters may be written in more than one way.
    const isSimple = [...names, ...keys].every(key => /^[\w .-]+$/.test(String(key)))
    this.anyMember =
      cannotSearch || !isSimple || keys.includes(undefined) || names.length + keys.length === 0
        ? null
        : anyOf([...names, ...(keys as string[]), '\\u'])
  }

  /** Whether a name, of whatever it is, is one of those. */
  hides(name: string): boolean {
    return this.names.has(name.toLowerCase()) || this.patterns.some(pattern => pattern.test(name))
  }

  /** The same for a parameter, whose name may be written as a path: `user[password]`, `user.password`. */
  hidesParameter(name: string): boolean {
    return (
      this.hides(name) ||
      (/[[.]/.test(name) && name.split(/[[\].]/).some(part => part !== '' && this.hides(part)))
    )
  }

  /** Whether the field of a head with this lower-case name is not to be seen. */
  hidesField(name: string): boolean {
    return this.secretFields.has(name) || this.hides(name)
  }

  get hasNames(): boolean {
    return this.names.size > 0 || this.patterns.length > 0
  }

  /** The same for JSON, where paths lead somewhere, too. */
  mayHoldInJSON(text: string): boolean {
    return this.anyMember === null ? this.concernsJSON : this.anyMember.test(text)
  }

  /** Whether there is anything to look for in JSON. */
  get concernsJSON(): boolean {
    return this.hasNames || this.paths.length > 0
  }

  /** Whether `text` may have a name in it. `elsewise` is what may spell one in another way. */
  mayHold(text: string, elsewise: string): boolean {
    if (!this.hasNames) return false
    return this.anyName === null || this.anyName.test(text) || text.includes(elsewise)
  }
}

/** Finds any of these texts, in any case. */
const anyOf = (texts: readonly string[]): RegExp =>
  new RegExp(texts.map(text => text.replace(/[^\w]/g, each => `\\${each}`)).join('|'), 'i')

/** The rules that a script gives. @throws TrafficError `BadOption` */
export function parseRules(given: unknown): readonly (string | RegExp)[] | undefined {
  if (!Array.isArray(given)) return undefined
  for (const rule of given) {
    if (rule instanceof RegExp || (typeof rule === 'string' && rule !== '')) continue
    throw new TrafficError(
      'BadOption',
      `redact takes names, regular expressions and JSON paths, and got ${show(rule)}`,
    )
  }
  return given
}

/** Reads paths among the rules. @throws TrafficError `BadOption` */
export function checkRules(rules: readonly (string | RegExp)[]): void {
  for (const rule of rules) if (typeof rule === 'string' && rule.startsWith('$')) parseJSONPath(rule)
}
