/**
 * Errors of scripts as a person mends them: file, line, the line itself, and what to do.
 */

import { faults, TrafficError } from '../errors.ts'
import { nearest } from '../nearest.ts'
import { knownScript, lineOf } from './known-scripts.ts'

/** What there is to tell about an error of a script; plain data that may cross threads. */
export interface ScriptReport {
  /** Code of the error in the table of errors: `ScriptError` unless the script misused a filter or an option. */
  readonly code: string
  readonly message: string
  /** What to do about it. */
  readonly cure: string
  /** Absolute path. */
  readonly file: string
  /** From 1. Absent when the error is about the file as a whole. */
  readonly line?: number | undefined
  /** From 1. */
  readonly column?: number | undefined
  readonly sourceLine?: string | undefined
}

/** What is known where an error is told. */
export interface ReportContext {
  /** The script, for errors that name no place in it. */
  readonly file?: string | undefined
  /** Names that a script may use, e.g. its context variables: candidates for a mistyped one. */
  readonly names?: readonly string[] | undefined
  /** Methods of the builder: candidates for a mistyped one. */
  readonly methods?: readonly string[] | undefined
}

const brand = Symbol.for('sluice.ScriptError')

/** A script that cannot be loaded. `report` says why; `cause` is the error as it was thrown. */
export class ScriptError extends TrafficError {
  readonly report: ScriptReport
  readonly [brand] = true

  constructor(report: ScriptReport, cause?: unknown) {
    super('ScriptError', `${placeOf(report)}: ${report.message}`, cause)
    this.name = 'ScriptError'
    this.report = report
  }

  override get cure(): string {
    return this.report.cure
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === 'object' && value !== null && brand in value
  }

  /** Any error that came out of a script, with its place found: itself when it is a ScriptError already. */
  static of(thrown: unknown, context: ReportContext = {}): ScriptError {
    return thrown instanceof ScriptError ? thrown : new ScriptError(reportOf(thrown, context), thrown)
  }
}

/** Says of an error thrown by a script, while it loaded or in a callback, where it is and what to do about it. */
export function reportOf(thrown: unknown, context: ReportContext = {}): ScriptReport {
  if (thrown instanceof ScriptError) return thrown.report
  const place = findPlace(thrown) ?? { file: context.file ?? 'the script' }
  const error = innermost(thrown)
  const sourceLine =
    place.line === undefined ? undefined : lineOf(knownScript(place.file)?.source ?? '', place.line)
  const message = plainWords(error instanceof Error ? firstLine(error.message) : String(error))
  return {
    code: thrown instanceof TrafficError ? thrown.code : 'ScriptError',
    message:
      error instanceof Error && error.name !== 'Error' && !(error instanceof TrafficError)
        ? `${error.name}: ${message}`
        : message,
    cure: error instanceof TrafficError ? error.cure : cureOf(message, error, place, context),
    ...place,
    sourceLine,
  }
}

/**
 * A few lines for a terminal: what is wrong, where, the offending line with a mark, and what to do.
 * Ends without a line break.
 */
export function formatScriptError(error: ScriptReport | ScriptError): string {
  const report = error instanceof ScriptError ? error.report : error
  const lines = [report.message, `  at ${placeOf(report)}`]
  if (report.sourceLine !== undefined && report.line !== undefined) {
    const gutter = String(report.line)
    lines.push(`  ${gutter} | ${report.sourceLine}`)
    if (report.column !== undefined) {
      // Tabs stay tabs, so that the mark stands under its character.
      const indent = report.sourceLine.slice(0, report.column - 1).replace(/[^\t]/g, ' ')
      lines.push(`  ${' '.repeat(gutter.length)} | ${indent}^`)
    }
  }
  lines.push(`  ${report.cure}`)
  return lines.join('\n')
}

/** `file:line:column`, as far as known. */
const placeOf = (report: ScriptReport): string =>
  [report.file, report.line, report.column].filter(part => part !== undefined).join(':')

interface Place {
  readonly file: string
  readonly line?: number
  readonly column?: number
}

/** A wrapped error says less than what it wraps. */
function innermost(thrown: unknown): unknown {
  let error = thrown
  while (error instanceof TrafficError && error.code === 'RuntimeError' && error.cause !== undefined)
    error = error.cause
  return error
}

function findPlace(thrown: unknown): Place | undefined {
  for (let error = thrown, depth = 0; error instanceof Error && depth < 8; error = error.cause, depth++) {
    const place = placeInStack(error.stack ?? '') ?? placeInMessage(error.message)
    if (place) return place
  }
  return undefined
}

/** The first line of the stack that lies in a script: a frame, or the `file:line` that heads a syntax error. */
function placeInStack(stack: string): Place | undefined {
  const lines = stack.split('\n')
  for (let i = 0; i < lines.length; i++) {
    const match =
      /^(?:\s+at (?:.*?\()?)?(?:async )?(?:file:\/\/)?(\/.*?|[A-Za-z]:[\\/].*?)(?:\?generation=\d+)?:(\d+)(?::(\d+))?\)?$/.exec(
        lines[i] as string,
      )
    if (!match) continue
    const shown = match[1] as string
    const file = knownScript(shown) ? shown : decodePath(shown)
    const script = knownScript(file)
    if (!script) continue
    const line = Number(match[2])
    const column = match[3] === undefined ? caretColumn(lines.slice(i + 1, i + 8)) : Number(match[3])
    if (column === undefined) return { file, line }
    return { file, line, column: script.columnOf?.(line, column) ?? column }
  }
  return undefined
}

/** Column of the mark under the offending line that some syntax errors show, after some lines before it. */
function caretColumn(lines: readonly string[]): number | undefined {
  const mark = lines.find(line => /^\s*\^+\s*$/.test(line))
  return mark === undefined ? undefined : mark.indexOf('^') + 1
}

const decodePath = (file: string): string => {
  try {
    return decodeURIComponent(file)
  } catch {
    return file
  }
}

/** The import statement that Node could not resolve: Node names the importing file, and not the line. */
function placeInMessage(message: string): Place | undefined {
  const match = /^Cannot find (?:module|package) '(.+?)' imported from (.+)$/m.exec(message)
  const script = match && knownScript(match[2] as string)
  if (!match || !script) return undefined
  const file = match[2] as string
  const wanted = (match[1] as string).split('/').at(-1) as string
  const lines = script.source.split(/\r?\n/)
  const at = lines.findIndex(line => /\b(?:from|import|require)\b/.test(line) && line.includes(wanted))
  if (at < 0) return { file }
  return { file, line: at + 1, column: (lines[at] as string).indexOf(wanted) + 1 }
}

/** Without what Sluice has put in: the summary of the code, and the contexts that the dialect's variables live on. */
const plainWords = (message: string): string =>
  message
    .replace(`${faults.ScriptError.summary}: `, '')
    .replace(/\(0 , \$ctx_*\d+\.([\w$]+)\)|\$ctx_*\d+\.([\w$]+)/g, '$1$2')

const firstLine = (text: string): string => text.split('\n', 1)[0] as string

function cureOf(message: string, error: unknown, place: Place, context: ReportContext): string {
  const undefinedName = /^(\S+) is not defined$/.exec(message)?.[1]
  if (undefinedName !== undefined) {
    const near = nearest(undefinedName, [
      ...(context.names ?? []),
      ...wordsOf(place.file, undefinedName),
      ...Object.getOwnPropertyNames(globalThis),
    ])
    return near ? `Did you mean '${near}'?` : `Declare '${undefinedName}', or import it.`
  }
  const notFunction = /([\w$]+) is not a function$/.exec(message)?.[1]
  if (notFunction !== undefined) {
    const near = nearest(notFunction, context.methods ?? [])
    if (near !== undefined && near !== notFunction) return `Did you mean '${near}'?`
    return `Check the name '${notFunction}' and what it is called on.`
  }
  const property = /^Cannot (?:read|set) properties of (undefined|null) \((?:reading|setting) '(.+)'\)$/.exec(
    message,
  )
  if (property)
    return `What stands before '${property[2]}' is ${property[1]} here: give it a value first, or write '?.'.`
  if (/^Cannot find module/.test(message))
    return 'Check the path; a local import needs its extension, like ./name.ts.'
  if (/^Cannot find package/.test(message))
    return 'Install the package next to the script, or correct its name.'
  if (/does not provide an export named/.test(message))
    return 'Import a name that the file exports; write `import type` for types.'
  const code = (error as { code?: unknown } | undefined)?.code
  if (code === 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX')
    return 'Use TypeScript whose types can be erased: no enum, no namespace, no parameter properties.'
  if (error instanceof SyntaxError) return 'Correct the syntax at this place.'
  return 'Mend the script at this place.'
}

/** Identifiers in a script other than one. */
const wordsOf = (file: string, except: string): string[] => [
  ...new Set((knownScript(file)?.source.match(/[A-Za-z_$][\w$]*/g) ?? []).filter(word => word !== except)),
]
