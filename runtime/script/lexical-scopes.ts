/**
 * Finds every use of a free name in a program: one that no declaration around it binds. Scoping is that of strict
 * mode, in which functions declared in a block belong to the block.
 */

import type { AnyNode, Function as FunctionNode, Identifier, Pattern, Program } from 'acorn'
import { fiberDeclarators, type ImportedName, importedNames } from './dialect-names.ts'
import { blockNames, boundNames, childrenOf, isFunction, varNames } from './syntax-tree.ts'

/** A place in which code runs when its function is called: the program, or a function. */
export interface Region {
  /** Undefined for the program. */
  readonly node: FunctionNode | undefined
  /** The region that runs when this one is made. */
  readonly parent: Region | undefined
}

/** How a free name is used. */
export type Role =
  | 'read'
  /** Assigned, updated or deleted. */
  | 'write'
  | 'call'
  | 'typeof'
  /** `{name}` in an object literal or in a destructuring target. */
  | 'shorthand'
  /** `{name}` or `{name = 1}` in a destructuring assignment. */
  | 'shorthand-write'
  /** A fiber variable where it is declared: with a value, without one, or in the head of a loop over values. */
  | 'declare-value'
  | 'declare'
  | 'declare-each'

/** `var $name`: a variable of which every context has its own. */
export interface FiberVariable {
  readonly kind: 'fiber'
  readonly name: string
  /** Line of the function that declares it; undefined for one of the program. */
  readonly functionLine: number | undefined
}

/** Where in its region a name is used: a parameter's default runs before the body, a class field long after it. */
export type Place = 'body' | 'parameter' | 'field'

export interface FreeUse {
  readonly node: Identifier
  /** What a declaration makes of the name, when that is not one of JavaScript's own variables. */
  readonly binding: FiberVariable | ImportedName | undefined
  /** Where the declaration begins that a use with role `declare-each` is all of. */
  readonly declarationStart: number
  readonly role: Role
  readonly region: Region
  readonly place: Place
  /** The name is the first token of its statement. */
  readonly startsStatement: boolean
}

export interface Lexical {
  readonly program: Region
  /** In the order of the text. */
  readonly uses: readonly FreeUse[]
  /** Functions in the order of the text, outer before inner. */
  readonly regions: readonly Region[]
  /** Names that the program declares at its top. */
  readonly topLevel: ReadonlySet<string>
}

interface Scope {
  readonly names: Set<string>
  /** Names in it that stand for something else than a variable of JavaScript. */
  readonly bindings: ReadonlyMap<string, FiberVariable | ImportedName> | undefined
  readonly parent: Scope | undefined
}

export function lexicalScopes(program: Program): Lexical {
  return new Analysis().run(program)
}

class Analysis {
  private readonly uses: FreeUse[] = []
  private readonly regions: Region[] = []
  private scope: Scope = { names: new Set(), bindings: undefined, parent: undefined }
  private region: Region = { node: undefined, parent: undefined }
  private place: Place = 'body'
  private statementStart = -1

  run(program: Program): Lexical {
    const root = this.region
    const fibers = fibersOf(program, undefined)
    const names = [...varNames(program)].filter(name => !fibers.has(name))
    const topLevel = new Set([...names, ...blockNames(program.body)])
    const imports = importedNames(program)
    this.within(
      topLevel,
      () => this.all(program.body),
      new Map<string, FiberVariable | ImportedName>([...fibers, ...imports]),
    )
    this.uses.sort((a, b) => a.node.start - b.node.start)
    return { program: root, uses: this.uses, regions: this.regions, topLevel }
  }

  private within(names: Iterable<string>, run: () => void, bindings?: Scope['bindings']): void {
    const outer = this.scope
    this.scope = { names: new Set(names), bindings, parent: outer }
    run()
    this.scope = outer
  }

  private all(nodes: readonly (AnyNode | null | undefined)[]): void {
    for (const node of nodes) if (node) this.visit(node)
  }

  private use(node: Identifier, role: Role, declarationStart = node.start): void {
    let binding: FreeUse['binding']
    for (let scope: Scope | undefined = this.scope; scope; scope = scope.parent) {
      // A declared fiber variable is the function's, whatever blocks between the two declare.
      if (scope.names.has(node.name) && !role.startsWith('declare')) return
      binding = scope.bindings?.get(node.name)
      if (binding !== undefined) break
    }
    this.uses.push({
      node,
      role,
      binding,
      declarationStart,
      region: this.region,
      place: this.place,
      startsStatement: node.start === this.statementStart,
    })
  }

  private visit(node: AnyNode): void {
    if (isFunction(node)) {
      this.function(node)
      return
    }
    switch (node.type) {
      case 'Identifier':
        this.use(node, 'read')
        break
      case 'ExpressionStatement':
        this.statementStart = node.start
        this.visit(node.expression)
        break
      case 'BlockStatement':
        this.within(blockNames(node.body), () => this.all(node.body))
        break
      case 'StaticBlock':
        this.within([...varNames(node), ...blockNames(node.body)], () => this.all(node.body))
        break
      case 'ForStatement':
        this.within(blockNames(node.init ? [node.init] : []), () =>
          this.all([node.init, node.test, node.update, node.body]),
        )
        break
      case 'ForInStatement':
      case 'ForOfStatement':
        this.within(blockNames([node.left]), () => {
          const { left } = node
          const [fiber] = fiberDeclarators(left)
          if (fiber !== undefined) this.use(fiber.id, 'declare-each', left.start)
          else if (left.type === 'VariableDeclaration') this.visit(left)
          else this.target(left)
          this.all([node.right, node.body])
        })
        break
      case 'SwitchStatement':
        this.visit(node.discriminant)
        this.within(blockNames(node.cases.flatMap(one => one.consequent)), () => {
          for (const one of node.cases) this.all([one.test, ...one.consequent])
        })
        break
      case 'CatchClause':
        this.within(node.param ? boundNames(node.param) : [], () => {
          if (node.param) this.declared(node.param)
          this.visit(node.body)
        })
        break
      case 'VariableDeclaration': {
        const fibers = new Set(fiberDeclarators(node))
        for (const each of node.declarations) {
          if (each.id.type === 'Identifier' && fibers.has(each as never))
            this.use(each.id, each.init ? 'declare-value' : 'declare')
          else this.declared(each.id)
          this.all([each.init])
        }
        break
      }
      case 'ImportDeclaration':
      case 'ExportAllDeclaration':
        return
      case 'ExportNamedDeclaration':
        this.all([node.declaration])
        break
      case 'ClassDeclaration':
      case 'ClassExpression':
        this.within(node.id ? [node.id.name] : [], () => this.all([node.superClass, node.body]))
        break
      case 'MethodDefinition':
        this.all([node.computed ? node.key : undefined, node.value])
        break
      case 'PropertyDefinition':
        if (node.computed) this.visit(node.key)
        this.at('field', () => this.all([node.value]))
        break
      case 'MemberExpression':
        this.all([node.object, node.computed ? node.property : undefined])
        break
      case 'Property':
        if (node.shorthand && node.value.type === 'Identifier') this.use(node.value, 'shorthand')
        else this.all([node.computed ? node.key : undefined, node.value])
        break
      case 'CallExpression':
        if (node.callee.type === 'Identifier') this.use(node.callee, 'call')
        else this.visit(node.callee)
        this.all(node.arguments)
        break
      case 'TaggedTemplateExpression':
        if (node.tag.type === 'Identifier') this.use(node.tag, 'call')
        else this.visit(node.tag)
        this.visit(node.quasi)
        break
      case 'UnaryExpression':
        if (node.argument.type === 'Identifier' && node.operator === 'typeof')
          this.use(node.argument, 'typeof')
        else if (node.argument.type === 'Identifier' && node.operator === 'delete')
          this.use(node.argument, 'write')
        else this.visit(node.argument)
        break
      case 'UpdateExpression':
        this.target(node.argument)
        break
      case 'AssignmentExpression':
        this.target(node.left)
        this.visit(node.right)
        break
      case 'LabeledStatement':
        this.visit(node.body)
        break
      case 'BreakStatement':
      case 'ContinueStatement':
      case 'MetaProperty':
        return
      default:
        this.all(childrenOf(node))
    }
  }

  /** What an assignment writes to. */
  private target(node: AnyNode): void {
    switch (node.type) {
      case 'Identifier':
        this.use(node, 'write')
        break
      case 'ObjectPattern':
        for (const property of node.properties) {
          if (property.type === 'RestElement') this.target(property.argument)
          else {
            const name = property.value.type === 'AssignmentPattern' ? property.value.left : property.value
            if (property.computed) this.visit(property.key)
            if (property.shorthand && name.type === 'Identifier') {
              this.use(name, 'shorthand-write')
              if (property.value.type === 'AssignmentPattern') this.visit(property.value.right)
            } else this.target(property.value)
          }
        }
        return
      case 'ArrayPattern':
        for (const element of node.elements) if (element) this.target(element)
        return
      case 'AssignmentPattern':
        this.target(node.left)
        this.visit(node.right)
        break
      case 'RestElement':
        this.target(node.argument)
        break
      default:
        this.visit(node)
    }
  }

  /** The expressions (defaults, computed keys) inside of a declaring pattern. */
  private declared(pattern: Pattern): void {
    switch (pattern.type) {
      case 'ObjectPattern':
        for (const property of pattern.properties) {
          if (property.type === 'RestElement') this.declared(property.argument)
          else {
            if (property.computed) this.visit(property.key)
            this.declared(property.value)
          }
        }
        return
      case 'ArrayPattern':
        for (const element of pattern.elements) if (element) this.declared(element)
        return
      case 'AssignmentPattern':
        this.declared(pattern.left)
        this.visit(pattern.right)
        break
      case 'RestElement':
        this.declared(pattern.argument)
    }
  }

  private at(place: Place, run: () => void): void {
    const before = this.place
    // What a parameter's default cannot see, a class field in it cannot see either.
    if (before !== 'parameter') this.place = place
    run()
    this.place = before
  }

  private function(node: FunctionNode): void {
    const outer = this.region
    const outerPlace = this.place
    // A function made in a parameter's default cannot see what is captured at the start of that region's body.
    const region: Region = { node, parent: outerPlace === 'parameter' ? (outer.parent ?? outer) : outer }
    this.regions.push(region)
    this.region = region
    this.place = 'body'
    const names = node.params.flatMap(param => [...boundNames(param)])
    if (node.type !== 'ArrowFunctionExpression') names.push('arguments')
    const own = node.type === 'FunctionExpression' && node.id ? [node.id.name] : []
    this.within(own, () =>
      this.within(names, () => {
        this.at('parameter', () => {
          for (const param of node.params) this.declared(param)
        })
        if (node.body.type === 'BlockStatement') {
          const body = node.body
          const fibers = fibersOf(body, node.loc?.start.line ?? 1)
          const vars = [...varNames(body)].filter(name => !fibers.has(name))
          this.within([...vars, ...blockNames(body.body)], () => this.all(body.body), fibers)
        } else this.visit(node.body)
      }),
    )
    this.region = outer
    this.place = outerPlace
  }
}

/** The fiber variables that a function's body, or the program, declares at any depth outside of inner functions. */
function fibersOf(body: AnyNode, functionLine: number | undefined): Map<string, FiberVariable> {
  const fibers = new Map<string, FiberVariable>()
  const visit = (node: AnyNode): void => {
    for (const { id } of fiberDeclarators(node))
      fibers.set(id.name, { kind: 'fiber', name: id.name, functionLine })
    for (const child of childrenOf(node)) if (!isFunction(child)) visit(child)
  }
  visit(body)
  return fibers
}
