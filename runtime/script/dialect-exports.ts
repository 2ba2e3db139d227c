/** Turns the imports and exports of a dialect module into calls of what loads modules, since it runs as a function. */

import type { AnyNode, ModuleDeclaration, Program, Statement, Token } from 'acorn'
import { nameOf } from './dialect-names.ts'
import type { SourceEdits } from './source-edits.ts'
import { blockNames, boundNames } from './syntax-tree.ts'

/** A place in a module that another one may read: a name, and the expression that is its value. */
interface Export {
  readonly name: string
  readonly value: string
}

type TopLevel = Statement | ModuleDeclaration

/** The names in front of which `prefix` stands are the module's own: nothing in its text begins so. */
export class ModuleRewriter {
  private readonly program: Program
  private readonly source: string
  private readonly tokens: readonly Token[]
  private readonly prefix: string
  private readonly exports: Export[] = []
  /** Modules that everything is taken over from. */
  private readonly wholes: string[] = []
  private readonly requests: string[] = []

  constructor(program: Program, source: string, tokens: readonly Token[], prefix: string) {
    this.program = program
    this.source = source
    this.tokens = tokens
    this.prefix = prefix
    for (const node of program.body)
      if ('source' in node && node.source) this.module(String(node.source.value))
  }

  /** The expression for what is imported. */
  access(from: string, name: string | undefined): string {
    const module = this.module(from)
    return name === undefined ? module : `${module}[${JSON.stringify(name)}]`
  }

  /** @param ownValue the expression that gives the value of one of the program's own names */
  apply(edits: SourceEdits, ownValue: (name: string) => string): void {
    for (const node of this.program.body) this.rewrite(node, edits, ownValue)
    if (this.exports.length === 0 && this.wholes.length === 0 && this.requests.length === 0) return
    // Exports come first: modules in a circle see the functions of each other.
    const getters = this.exports.map(({ name, value }) => `${JSON.stringify(name)}:()=>${value}`)
    const wholes = this.wholes.map(from => JSON.stringify(from))
    const loads = this.requests.map(
      (from, i) => `${this.prefix}m${i}=${this.prefix}load(${JSON.stringify(from)})`,
    )
    edits.open(
      this.source.startsWith('#!') ? this.source.search(/\n|$/) + 1 : 0,
      `let ${this.prefix}default;${this.prefix}export({${getters}},[${wholes}]);${loads.length === 0 ? '' : `const ${loads};`}`,
    )
  }

  private module(from: string): string {
    let index = this.requests.indexOf(from)
    if (index < 0) index = this.requests.push(from) - 1
    return `${this.prefix}m${index}`
  }

  private rewrite(node: TopLevel, edits: SourceEdits, ownValue: (name: string) => string): void {
    switch (node.type) {
      case 'ImportDeclaration':
        this.remove(node.start, node.end, edits)
        return
      case 'ExportAllDeclaration':
        if (node.exported)
          this.exports.push({ name: nameOf(node.exported), value: this.module(String(node.source.value)) })
        else this.wholes.push(String(node.source.value))
        this.remove(node.start, node.end, edits)
        return
      case 'ExportNamedDeclaration':
        for (const { exported, local } of node.specifiers)
          this.exports.push({
            name: nameOf(exported),
            value: node.source
              ? this.access(String(node.source.value), nameOf(local))
              : ownValue(nameOf(local)),
          })
        if (!node.declaration) {
          this.remove(node.start, node.end, edits)
          return
        }
        for (const name of namesOf(node.declaration)) this.exports.push({ name, value: ownValue(name) })
        edits.replace(node.start, node.start + 'export'.length, '')
        return
      case 'ExportDefaultDeclaration': {
        const { declaration } = node
        const word = this.tokens.find(({ start, type }) => start > node.start && type.keyword === 'default')
        const end = (word ?? node).end
        const isNamed =
          (declaration.type === 'FunctionDeclaration' || declaration.type === 'ClassDeclaration') &&
          declaration.id
        const value = isNamed ? isNamed.name : `${this.prefix}default`
        this.exports.push({ name: 'default', value })
        edits.replace(node.start, end, isNamed ? '' : `${value}=`)
        // What follows a declaration begins a statement; behind an expression it could continue it.
        if (!isNamed && /Declaration$/.test(declaration.type)) edits.close(node.end, ';', -1)
      }
    }
  }

  /** Takes a statement out, and leaves its lines. */
  private remove(start: number, end: number, edits: SourceEdits): void {
    edits.replace(start, end, `;${this.source.slice(start, end).replace(/[^\n]/g, '')}`)
  }
}

const namesOf = (declaration: AnyNode): string[] =>
  declaration.type === 'VariableDeclaration'
    ? declaration.declarations.flatMap(({ id }) => [...boundNames(id)])
    : [...blockNames([declaration])]
