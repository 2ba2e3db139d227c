/**
 * Turns a dialect script into JavaScript whose free context variables are properties of the current context.
 *
 * Each function that uses a context variable, itself or in a function within, captures the context at its entry:
 * `const $ctx2 = $now.current ?? $ctx1`. A callback so sees the context that is current when it is called; what it
 * goes on with after an await, in `.then` and in timers, where none is current, is the context it began with.
 */

import { type AnyNode, type Options, type Program, parse, type Token } from 'acorn'
import { nearest } from '../nearest.ts'
import { ModuleRewriter } from './dialect-exports.ts'
import { type ImportedName, importedNames, nameOf } from './dialect-names.ts'
import { type ContextVariables, contextVariables } from './dialect-variables.ts'
import { lineOf } from './known-scripts.ts'
import {
  type FiberVariable,
  type FreeUse,
  type Lexical,
  lexicalScopes,
  type Region,
} from './lexical-scopes.ts'
import { ScriptError } from './script-error.ts'
import { SourceEdits } from './source-edits.ts'
import { boundNames, childrenOf } from './syntax-tree.ts'

/** What the program is wrapped with: names that its text refers to and that the loader gives. */
export interface RewrittenDialect {
  readonly text: string
  readonly columnOf: (line: number, column: number) => number
  /** Name of the parameter for `scope`. */
  readonly now: string
  /** Name of the parameter for the context of code that runs while the script loads. */
  readonly atLoad: string
  /** Name of the parameter for the identity function. */
  readonly plain: string
  /** Name of the function through which what is spread into an object goes. */
  readonly spread: string
  /** Name of the function that gives what another module exports. */
  readonly load: string
  /** Name of the function that takes what this one exports. */
  readonly export: string
  /** Where on the context its fiber variables live. */
  readonly fiberSlots: readonly string[]
  readonly variables: ContextVariables
  /** Context variables that nothing reads or writes. */
  readonly unused: readonly string[]
  /** It reads the arguments that `use` gives a module. */
  readonly usesArguments: boolean
  /** Names declared by the program, which no parameter may have. */
  readonly topLevel: ReadonlySet<string>
}

/** Variables that every context has. */
const builtinVariables = ['__inbound', '__thread', '__argv'] as const

export const dialectSyntax: Options = {
  ecmaVersion: 'latest',
  sourceType: 'script',
  locations: true,
  allowHashBang: true,
  // A program may end itself early.
  allowReturnOutsideFunction: true,
}

/** Property of the context for a variable, of a namespace when it is exported or imported. */
export type SlotOf = (name: string, namespace: string | undefined) => string

/**
 * @param globals names that the script may read without declaring them.
 * @throws ScriptError when the script uses or assigns a name that nobody declares.
 */
export function rewriteDialect(
  file: string,
  source: string,
  globals: ReadonlySet<string>,
  slotOf: SlotOf,
  syntax: Options = dialectSyntax,
): RewrittenDialect {
  const tokens: Token[] = []
  const program = parse(source, { ...syntax, onToken: tokens })
  const lexical = lexicalScopes(program)
  refusePatterns(file, source, program)
  const free = lexical.uses.filter(use => use.binding === undefined)
  const pipyCalls = new Set(free.filter(use => use.node.name === 'pipy').map(use => use.node.start))
  const variables = contextVariables(program, start => pipyCalls.has(start))
  const isVariable = (use: FreeUse): boolean => {
    const { name } = use.node
    if (use.binding !== undefined) return use.binding.kind === 'fiber'
    if (variables.declared.has(name)) return true
    if (globals.has(name) || name in globalThis) return false
    return variables.open || (builtinVariables as readonly string[]).includes(name)
  }
  const uses = lexical.uses.filter(isVariable)
  const used = new Set(uses.map(use => use.node.name))
  refuseUnknown(file, source, lexical, isVariable, globals, variables)
  const prefix = unusedPrefix(source)
  const fiberSlots = new Set<string>()
  const propertyOf = (name: string, fiber: FiberVariable | undefined): string => {
    if (fiber === undefined)
      return name === '__inbound' || name === '__thread'
        ? name
        : slotOf(name, variables.declared.get(name)?.namespace)
    const { functionLine } = fiber
    const slot = slotOf(name, functionLine === undefined ? undefined : `${file}:${functionLine}`)
    fiberSlots.add(slot)
    return slot
  }
  refuseExports(file, source, program)
  const modules = new ModuleRewriter(program, source, tokens, prefix)
  const rewriter = new Rewriter(source, tokens, lexical, prefix, propertyOf, modules)
  const imported = lexical.uses.filter(use => use.binding?.kind === 'import')
  return {
    ...rewriter.run(program, uses, imported),
    load: `${prefix}load`,
    export: `${prefix}export`,
    fiberSlots: [...fiberSlots],
    now: `${prefix}now`,
    atLoad: `${prefix}0`,
    plain: `${prefix}plain`,
    spread: `${prefix}spread`,
    variables,
    unused: [...variables.declared]
      .filter(([name, { exported }]) => !exported && !used.has(name))
      .map(([name]) => name),
    usesArguments: used.has('__argv'),
    topLevel: lexical.topLevel,
  }
}

/** `var { $a } = …` would declare a variable that all contexts share, which nobody means. */
function refusePatterns(file: string, source: string, node: AnyNode): void {
  if (node.type === 'VariableDeclaration' && node.kind === 'var')
    for (const { id, loc } of node.declarations) {
      const name = id.type === 'Identifier' ? undefined : [...boundNames(id)].find(each => /^\$./.test(each))
      if (name === undefined) continue
      const line = loc?.start.line ?? 1
      throw new ScriptError({
        code: 'ScriptError',
        message: `${name} is a variable of each context, and cannot be declared in a pattern`,
        cure: `Declare it by itself, var ${name}, and assign it.`,
        file,
        line,
        column: (loc?.start.column ?? 0) + 1,
        sourceLine: lineOf(source, line),
      })
    }
  for (const child of childrenOf(node)) refusePatterns(file, source, child)
}

function refuseExports(file: string, source: string, program: Program): void {
  for (const node of program.body) {
    if (node.type !== 'ExportNamedDeclaration' || node.source) continue
    const own = [
      ...(node.declaration?.type === 'VariableDeclaration'
        ? node.declaration.declarations.flatMap(({ id }) => [...boundNames(id)])
        : []),
      ...node.specifiers.map(({ local }) => nameOf(local)),
    ]
    const name = own.find(each => /^\$./.test(each))
    if (name === undefined) continue
    const line = node.loc?.start.line ?? 1
    throw new ScriptError({
      code: 'ScriptError',
      message: `${name} is a variable of each context, and cannot be exported`,
      cure: 'Give its value to the other pipeline as an argument: .pipe(target, () => [value]).',
      file,
      line,
      column: (node.loc?.start.column ?? 0) + 1,
      sourceLine: lineOf(source, line),
    })
  }
}

/** A prefix that no name in the script has. */
function unusedPrefix(source: string): string {
  let prefix = '$ctx'
  while (source.includes(prefix)) prefix += '_'
  return prefix
}

function refuseUnknown(
  file: string,
  source: string,
  lexical: Lexical,
  isVariable: (use: FreeUse) => boolean,
  globals: ReadonlySet<string>,
  variables: ContextVariables,
): void {
  for (const use of lexical.uses) {
    if (isVariable(use)) continue
    const { name, loc } = use.node
    if (use.binding?.kind === 'import' && !use.role.includes('write')) continue
    const known = use.binding !== undefined || globals.has(name) || name in globalThis
    const writes = use.role === 'write' || use.role === 'shorthand-write'
    if (writes ? false : known || use.role === 'typeof') continue
    const names = [...variables.declared.keys()]
    const near = nearest(name, writes ? names : [...names, ...globals, ...lexical.topLevel])
    const line = loc?.start.line ?? 1
    throw new ScriptError({
      code: 'ScriptError',
      message: !writes
        ? `${name} is not defined`
        : known
          ? `${name} cannot be assigned: it belongs to ${use.binding === undefined ? 'Sluice' : 'another module'}`
          : `${name} is assigned and nobody declares it`,
      cure: near
        ? `Did you mean '${near}'?`
        : `Declare it as a context variable: pipy({ ${name}: undefined }).`,
      file,
      line,
      column: (loc?.start.column ?? 0) + 1,
      sourceLine: lineOf(source, line),
    })
  }
}

class Rewriter {
  private readonly source: string
  private readonly tokens: readonly Token[]
  private readonly lexical: Lexical
  private readonly prefix: string
  private readonly edits: SourceEdits
  private readonly propertyOf: (name: string, fiber: FiberVariable | undefined) => string
  private readonly modules: ModuleRewriter
  /** Number of the captured context of each region that captures one. */
  private readonly captures = new Map<Region, number>()

  constructor(
    source: string,
    tokens: readonly Token[],
    lexical: Lexical,
    prefix: string,
    propertyOf: (name: string, fiber: FiberVariable | undefined) => string,
    modules: ModuleRewriter,
  ) {
    this.source = source
    this.tokens = tokens
    this.lexical = lexical
    this.prefix = prefix
    this.edits = new SourceEdits(source)
    this.propertyOf = propertyOf
    this.modules = modules
  }

  run(
    program: Program,
    uses: readonly FreeUse[],
    imported: readonly FreeUse[],
  ): { text: string; columnOf: (line: number, column: number) => number } {
    const capturing = new Set<Region>()
    for (const use of uses) {
      const from = use.place === 'parameter' ? use.region.parent : use.region
      for (let region = from; region; region = region.parent) capturing.add(region)
    }
    this.captures.set(this.lexical.program, 0)
    const strict = '"use strict";'
    if (this.source.startsWith('#!')) this.edits.replace(0, 2, `${strict}//`)
    else this.edits.open(0, strict)
    this.returnLast(program)
    for (const region of this.lexical.regions) if (capturing.has(region)) this.capture(region)
    for (const use of uses) this.edits.replace(use.declarationStart, use.node.end, this.access(use))
    for (const use of imported) this.edits.replace(use.node.start, use.node.end, this.importAccess(use))
    const imports = importedNames(program)
    this.modules.apply(this.edits, name => this.exportOf(name, imports))
    this.spreads(program)
    return this.edits.apply()
  }

  /** Makes the value of the last statement the value of the program. */
  private returnLast(program: Program): void {
    const last = program.body.at(-1)
    if (last?.type !== 'ExpressionStatement') return
    const lastToken = this.tokenBefore(last.end)
    const end = lastToken?.type.label === ';' ? lastToken.start : last.end
    this.edits.open(last.start, 'return(')
    this.edits.close(end, ')', -1)
  }

  /** `{ ...head }` copies what Pipy's heads are made of, and not what ours are. */
  private spreads(node: AnyNode): void {
    if (node.type === 'ObjectExpression')
      for (const property of node.properties)
        if (property.type === 'SpreadElement') {
          const { start, end } = property.argument
          this.edits.open(start, `${this.prefix}spread(`)
          this.edits.close(end, ')', start)
        }
    for (const child of childrenOf(node)) this.spreads(child)
  }

  private capture(region: Region): void {
    const { node, parent } = region
    if (!node || !parent) return
    const number = this.captures.size
    const depth = node.start
    const declaration = `const ${this.prefix}${number}=${this.current(parent)};`
    this.captures.set(region, number)
    if (node.body.type === 'BlockStatement') {
      this.edits.open(node.body.start + 1, declaration)
      return
    }
    // `=> expression` becomes `=>{const …;return(expression)}`: the brackets keep a line break after the arrow harmless.
    const arrow = this.arrowBefore(node.body.start)
    this.edits.open(arrow.end, `{${declaration}return(`)
    this.edits.close(node.end, ')}', depth)
  }

  /** The context that code just entering a function within `region` finds. */
  private current(region: Region): string {
    return `${this.prefix}now.current??${this.prefix}${this.captures.get(region)}`
  }

  private importAccess({ binding, node, role, startsStatement }: FreeUse): string {
    const { from, name } = binding as ImportedName
    const value = this.modules.access(from, name)
    if (role === 'shorthand') return `${node.name}:${value}`
    if (role !== 'call') return value
    return startsStatement ? `${this.prefix}plain(${value})` : `(0,${value})`
  }

  /** What a module exports under a name of its own, or of one that it imports itself. */
  private exportOf(name: string, imports: ReadonlyMap<string, ImportedName>): string {
    const binding = imports.get(name)
    return binding === undefined ? name : this.modules.access(binding.from, binding.name)
  }

  /** The one place that says where on a context a variable lives. */
  private access(use: FreeUse): string {
    const { name } = use.node
    const context =
      use.place === 'body'
        ? `${this.prefix}${this.captures.get(use.region)}`
        : `(${this.current(use.place === 'parameter' ? (use.region.parent ?? use.region) : use.region)})`
    const slot = this.propertyOf(name, use.binding?.kind === 'fiber' ? use.binding : undefined)
    const property = slot === name ? `${context}.${name}` : `${context}[${JSON.stringify(slot)}]`
    switch (use.role) {
      case 'shorthand':
      case 'shorthand-write':
        return `${name}:${property}`
      // `var` stays for what else the statement declares, and so that it ends where it did.
      case 'declare':
        return `${this.prefix}var`
      case 'declare-value':
        return `${this.prefix}var=${property}`
      case 'call':
        // Not as a method: the context must not become `this`. A statement may not begin with a bracket, which
        // would continue a line before it that has no semicolon.
        return use.startsStatement ? `${this.prefix}plain(${property})` : `(0,${property})`
      default:
        return property
    }
  }

  private tokenBefore(end: number): Token | undefined {
    return this.tokens.findLast(token => token.end <= end && token.type.label !== 'eof')
  }

  private arrowBefore(bodyStart: number): Token {
    let low = 0
    let high = this.tokens.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.tokens[middle] as Token).end <= bodyStart) low = middle + 1
      else high = middle
    }
    let at = low - 1
    while ((this.tokens[at] as Token).type.label !== '=>') at--
    return this.tokens[at] as Token
  }
}
