/** A folder of script files for one test, and a builder of the smallest kind. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { LoadOptions } from '../../../runtime/script/loader.ts'
import { scope } from '../../../runtime/script/scope.ts'

export class ScriptFolder {
  readonly path = mkdtempSync(join(tmpdir(), 'sluice-script-'))

  write(name: string, text: string): string {
    const file = join(this.path, name)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
    return file
  }

  remove(): void {
    rmSync(this.path, { recursive: true })
  }
}

type Callback = (...args: unknown[]) => unknown

/** What `pipy()` and `sluice()` make in these tests: it keeps its callbacks by name. */
export class Builder {
  readonly variables: Record<string, unknown>
  readonly callbacks: Record<string, Callback> = {}

  constructor(variables: Record<string, unknown> | (() => Record<string, unknown>) = {}) {
    this.variables = typeof variables === 'function' ? variables() : variables
  }

  on(name: string, callback: Callback): this {
    this.callbacks[name] = callback
    return this
  }

  listen(_port: number): this {
    return this
  }

  export(): this {
    return this
  }

  import(): this {
    return this
  }

  /** Calls a callback as the kernel does. */
  call(name: string, context: object, ...args: unknown[]): unknown {
    const before = scope.current
    scope.current = context
    try {
      return (this.callbacks[name] as Callback)(...args)
    } finally {
      scope.current = before
    }
  }
}

export const pipy = (variables?: Record<string, unknown>): Builder => new Builder(variables)

export const loadOptions = (generation = 1, globals: Record<string, unknown> = {}): LoadOptions => ({
  generation,
  dialectGlobals: { pipy, ...globals },
  sluiceModule: new URL('./sluice-double.ts', import.meta.url).href,
  methods: ['listen', 'on', 'decodeHTTPRequest'],
})
