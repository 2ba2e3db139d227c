/** Scripts in Pipy's dialect that consist of several files: modules that are used by others, and files that are solved. */

import { statSync } from 'node:fs'
import { dirname, relative } from 'node:path'
import { codebase } from './codebase.ts'
import { ContextSlots } from './context-slots.ts'
import { runDialect } from './dialect.ts'
import { ScriptError } from './script-error.ts'

/** A module as those see it that give it its globals. */
export interface DialectModule {
  /** Absolute path. */
  readonly file: string
  /** Its callbacks ask for the arguments that `use` was given. */
  readonly usesArguments: boolean
  /** Property of the context that holds a variable of this module; of a namespace, when it is exported or imported. */
  slot(name: string, namespace?: string): string
  /** Another module, by its name in the codebase: what it built. Undefined when there is no such file. */
  load(path: string): LoadedModule | undefined
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

class Module implements DialectModule {
  readonly file: string
  usesArguments = false
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

  load(path: string): LoadedModule | undefined {
    const file = this.modules.find(path)
    return file === undefined ? undefined : this.modules.load(file)
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
  private readonly root: string
  private readonly options: ModuleOptions
  private readonly loaded = new Map<string, LoadedModule>()
  private readonly solved = new Map<string, { value: unknown; isDone: boolean }>()

  /** @param main absolute path of the main script */
  constructor(main: string, options: ModuleOptions) {
    this.root = dirname(main)
    this.options = options
  }

  find(name: string): string | undefined {
    const file = codebase.pathOf(name)
    return statSync(file, { throwIfNoEntry: false })?.isFile() ? file : undefined
  }

  load(file: string): LoadedModule {
    const known = this.loaded.get(file)
    if (known !== undefined) return known
    const { accept, warn } = this.options
    const module = new Module(file, relative(this.root, file), this)
    const result = this.run(module)
    module.usesArguments = result.usesArguments
    for (const warning of result.warnings) warn(warning)
    const loaded = { module, value: accept(result.value, file) }
    this.loaded.set(file, loaded)
    return loaded
  }

  solve(file: string): unknown {
    let entry = this.solved.get(file)
    if (entry === undefined) {
      entry = { value: undefined, isDone: false }
      this.solved.set(file, entry)
      entry.value = this.run(new Module(file, relative(this.root, file), this)).result
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
      return runDialect(file, read(file), globals(module), (name, namespace) => module.slot(name, namespace))
    } catch (thrown) {
      throw explain(thrown, file)
    }
  }
}
