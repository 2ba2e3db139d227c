/**
 * The script files that this thread has loaded: what tells a script's own stack frames from Sluice's, and where the
 * offending line of an error is read from.
 */

export interface KnownScript {
  /** The text as it is in the file. */
  readonly source: string
  /** Column in the file of a column in the text that ran, both from 1; absent when the two are the same. */
  readonly columnOf?: ((line: number, column: number) => number) | undefined
}

const scripts = new Map<string, KnownScript>()

export const rememberScript = (file: string, script: KnownScript): void => {
  scripts.set(file, script)
}

export const knownScript = (file: string): KnownScript | undefined => scripts.get(file)

/** Line `line` (from 1) of a text, without its line break. */
export const lineOf = (source: string, line: number): string | undefined => source.split(/\r?\n/)[line - 1]

/** How a file is called in stack traces: its path, in which V8 allows no blanks, with those escaped. */
export const traceName = (file: string): string => file.replace(/[\s%]/g, encodeURIComponent)
