/** Which names of a dialect script are context variables: read from its calls of `pipy`, `export` and `import`. */

import type { AnyNode, CallExpression, Expression, Program, SpreadElement } from 'acorn'
import { childrenOf, isFunction } from './syntax-tree.ts'

export interface DeclaredVariable {
  readonly line: number
  readonly exported: boolean
  /** What it is exported as, or imported from. */
  readonly namespace: string | undefined
}

export interface ContextVariables {
  /** Line and use of each name. */
  readonly declared: ReadonlyMap<string, DeclaredVariable>
  /** True when `pipy` is given more than can be read from the text: then any unknown name may be a variable. */
  readonly open: boolean
}

/** @param isPipy tells whether an identifier at this offset is the global `pipy`. */
export function contextVariables(program: Program, isPipy: (start: number) => boolean): ContextVariables {
  const declared = new Map<string, DeclaredVariable>()
  let open = false

  const declare = (
    argument: Expression | SpreadElement | undefined,
    exported: boolean,
    namespaceOf: (value: AnyNode) => string | undefined,
  ): void => {
    if (argument === undefined) return
    const literals = objectLiterals(argument)
    if (literals === undefined) {
      open = true
      return
    }
    for (const literal of literals) {
      for (const property of literal.properties) {
        const key = property.type === 'Property' && !property.computed ? property.key : undefined
        const name =
          key?.type === 'Identifier' ? key.name : key?.type === 'Literal' ? String(key.value) : undefined
        if (name === undefined) open = true
        else
          declared.set(name, {
            line: property.loc?.start.line ?? 1,
            exported: exported || declared.get(name)?.exported === true,
            namespace:
              (property.type === 'Property' ? namespaceOf(property.value) : undefined) ??
              declared.get(name)?.namespace,
          })
      }
    }
  }

  const visit = (node: AnyNode): void => {
    if (node.type === 'CallExpression') {
      const { callee } = node
      if (callee.type === 'Identifier' && isPipy(callee.start))
        declare(node.arguments[0], false, () => undefined)
      else if (
        callee.type === 'MemberExpression' &&
        !callee.computed &&
        callee.property.type === 'Identifier'
      ) {
        const name = callee.property.name
        if (name === 'export' && startsWithPipy(node, isPipy)) {
          const namespace = textOf(node.arguments[0])
          declare(node.arguments[1], true, () => namespace)
        }
        if (name === 'import' && startsWithPipy(node, isPipy)) declare(node.arguments[0], false, textOf)
      }
    }
    for (const child of childrenOf(node)) visit(child)
  }
  visit(program)
  return { declared, open }
}

/** The value of a literal text. */
const textOf = (node: AnyNode | undefined): string | undefined =>
  node?.type === 'Literal' && typeof node.value === 'string' ? node.value : undefined

/** True for `pipy(…).a(…).b(…)`. */
function startsWithPipy(call: CallExpression, isPipy: (start: number) => boolean): boolean {
  let node: AnyNode = call
  for (;;) {
    if (node.type === 'CallExpression') {
      if (node.callee.type === 'Identifier') return isPipy(node.callee.start)
      node = node.callee
    } else if (node.type === 'MemberExpression') node = node.object
    else return false
  }
}

/** The object literals that an argument is, or that the function given as argument returns. */
function objectLiterals(argument: AnyNode): { properties: readonly AnyNode[] }[] | undefined {
  if (argument.type === 'ObjectExpression') return [argument]
  if (argument.type !== 'ArrowFunctionExpression' && argument.type !== 'FunctionExpression') return undefined
  if (argument.body.type !== 'BlockStatement') return objectLiterals(argument.body)
  const results: { properties: readonly AnyNode[] }[] = []
  for (const returned of returnedBy(argument.body)) {
    if (returned?.type !== 'ObjectExpression') return undefined
    results.push(returned)
  }
  return results
}

function* returnedBy(node: AnyNode): Generator<Expression | null | undefined> {
  if (node.type === 'ReturnStatement') yield node.argument
  else for (const child of childrenOf(node)) if (!isFunction(child)) yield* returnedBy(child)
}
