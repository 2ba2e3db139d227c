/** Scripts in Pipy's dialect that consist of several files: modules that are used by others, and files that are solved. */

import { statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { instance } from '../api/instance.ts'
import { codebase } from './codebase.ts'
import { ContextSlots } from './context-slots.ts'
import { type ModuleLinks, runDialect } from './dialect.ts'
import { ScriptError } from './script-error.ts'

/** A module as those see it that give it its globals. */
export interface DialectModule {
  /** Absolute path. */
  readonly file: string
  /** Its callbacks ask for the arguments that `use` was given. */
  readonly usesArguments: boolean
  /** The same for all files of one script. */
  readonly script: object
  /** Fiber variables of all files while no callback runs: what every new context begins with. */
  readonly root: Readonly<Record<string, unknown>>
  /** What another file exports; a name without a slash or dot in front is that of a file in the codebase. */
  importFrom(path: string): object
  /** Property of the context that holds a variable of this module; of a namespace, when it is exported or imported. */
  slot(name: string, namespace?: string): string
  /** Another module, by its name in the codebase: what it built. Undefined when there is no such file. */
  use(path: string): LoadedModule | undefined
  /** The value of a file that is one expression, evaluated once. */
  solve(path: string): unknown
}

export interface LoadedModule {
  readonly module: DialectModule
  readonly value: unknown
}

export interface ModuleOptions {
  /** What a module finds as global names besides those that all find. */
  readonly globals: (module: DialectModule) => Readonly<Record<string, unknown>>
  /** Reads a file. @throws ScriptError */
  readonly read: (file: string) => string
  /** Checks what a module gives. @throws ScriptError */
  readonly accept: (value: unknown, file: string) => unknown
  /** @throws the same as ScriptError, with what is known of the file. */
  readonly explain: (thrown: unknown, file: string) => ScriptError
  /** Takes what may be a mistake, as `file:line: text`. */
  readonly warn: (text: string) => void
}

class Module implements DialectModule, ModuleLinks {
  readonly file: string
  usesArguments = false
  /** What it exports, read when it is asked for. */
  readonly exports: object = Object.create(null)
  private readonly owner: string
  private readonly modules: DialectModules

  constructor(file: string, owner: string, modules: DialectModules) {
    this.file = file
    this.owner = owner
    this.modules = modules
  }

  slot(name: string, namespace?: string): string {
    return this.modules.slots.slot(namespace ?? this.owner, name)
  }

  get script(): object {
    return this.modules
  }

  get root(): Record<string, unknown> {
    return this.modules.root
  }

  use(path: string): LoadedModule | undefined {
    const file = this.modules.find(path)
    return file === undefined ? undefined : this.modules.load(file)
  }

  importFrom(path: string): object {
    return this.modules.importFile(this.place(path), path, this.file)
  }

  load(from: string): object {
    if (/^[./]/.test(from)) return this.importFrom(from)
    const given: unknown = createRequire(this.file)(from)
    // What is no ES module exports itself.
    return Object(given).__esModule || Object(given)[Symbol.toStringTag] === 'Module'
      ? (given as object)
      : { ...(given as object), default: given }
  }

  export(getters: Readonly<Record<string, () => unknown>>, wholes: readonly string[]): void {
    const publish = (name: string, get: () => unknown): void => {
      if (!(name in this.exports))
        Object.defineProperty(this.exports, name, { get, enumerable: true, configurable: true })
    }
    for (const [name, get] of Object.entries(getters)) publish(name, get)
    for (const from of wholes) {
      const whole = this.load(from) as Record<string, unknown>
      for (const name of Object.keys(whole)) if (name !== 'default') publish(name, () => whole[name])
    }
  }

  /** Absolute path of a file as this one calls it. */
  private place(path: string): string {
    return codebase.pathOf(path.startsWith('.') ? join(dirname(this.owner), path) : path)
  }

  solve(path: string): unknown {
    const file = this.modules.find(path)
    if (file === undefined)
      throw new ScriptError({
        code: 'ScriptError',
        message: `pipy.solve() finds no file '${path}'`,
        cure: 'Name it as it is called from the folder of the main script.',
        file: this.file,
      })
    return this.modules.solve(file)
  }
}

/** All files of one script, by their names in its codebase. */
export class DialectModules {
  readonly slots = new ContextSlots()
  readonly root: Record<string, unknown> = {}
  private readonly folder: string
  private readonly options: ModuleOptions
  private readonly loaded = new Map<string, LoadedModule>()
  private readonly imported = new Map<string, Module>()
  private readonly solved = new Map<string, { value: unknown; isDone: boolean }>()

  /** @param main absolute path of the main script */
  constructor(main: string, options: ModuleOptions) {
    this.folder = dirname(main)
    this.options = options
    // No variable: it is no part of what contexts begin with.
    Object.defineProperty(this.root, '__thread', { get: () => instance.thread })
  }

  find(name: string): string | undefined {
    // `__filename` is absolute.
    const file = this.loaded.has(name) ? name : codebase.pathOf(name)
    return statSync(file, { throwIfNoEntry: false })?.isFile() ? file : undefined
  }

  load(file: string): LoadedModule {
    const known = this.loaded.get(file)
    if (known !== undefined) return known
    const { accept, warn } = this.options
    const module = new Module(file, relative(this.folder, file), this)
    this.imported.set(file, module)
    const result = this.run(module)
    module.usesArguments = result.usesArguments
    for (const warning of result.warnings) warn(warning)
    const loaded = { module, value: accept(result.value, file) }
    this.loaded.set(file, loaded)
    return loaded
  }

  /** What a file exports; run once, and in a circle seen by others before its end. */
  importFile(file: string, name: string, by: string): object {
    let module = this.imported.get(file)
    if (module === undefined) {
      if (!statSync(file, { throwIfNoEntry: false })?.isFile())
        throw new ScriptError({
          code: 'ScriptError',
          message: `the script imports '${name}', and there is no such file`,
          cure: "Name it relative to the file that imports it, './name.js', or from the folder of the main script, '/name.js'.",
          file: by,
        })
      module = new Module(file, relative(this.folder, file), this)
      this.imported.set(file, module)
      try {
        for (const warning of this.run(module).warnings) this.options.warn(warning)
      } catch (thrown) {
        this.imported.delete(file)
        throw thrown
      }
    }
    return module.exports
  }

  solve(file: string): unknown {
    let entry = this.solved.get(file)
    if (entry === undefined) {
      entry = { value: undefined, isDone: false }
      this.solved.set(file, entry)
      entry.value = this.run(new Module(file, relative(this.folder, file), this)).result
      entry.isDone = true
    }
    if (!entry.isDone)
      throw new ScriptError({
        code: 'ScriptError',
        message: 'the file is solved by what it solves itself',
        cure: 'Break the circle of pipy.solve().',
        file,
      })
    return entry.value
  }

  private run(module: Module): ReturnType<typeof runDialect> {
    const { explain, globals, read } = this.options
    const { file } = module
    try {
      const slotOf = (name: string, namespace?: string): string => module.slot(name, namespace)
      return runDialect(file, read(file), globals(module), slotOf, module)
    } catch (thrown) {
      throw explain(thrown, file)
    }
  }
}
