/** What the parser's trees say of children and of declared names. */

import type { AnyNode, Function as FunctionNode, Pattern } from 'acorn'

const isNode = (value: unknown): value is AnyNode =>
  typeof value === 'object' && value !== null && typeof (value as { type?: unknown }).type === 'string'

/** A node's children, in the order of the text. */
export function childrenOf(node: AnyNode): AnyNode[] {
  const children: AnyNode[] = []
  for (const value of Object.values(node)) {
    if (isNode(value)) children.push(value)
    else if (Array.isArray(value)) for (const item of value) if (isNode(item)) children.push(item)
  }
  return children
}

/** Functions of all kinds; of a method, its value. */
export const isFunction = (node: AnyNode): node is Extract<AnyNode, FunctionNode> =>
  node.type === 'FunctionDeclaration' ||
  node.type === 'FunctionExpression' ||
  node.type === 'ArrowFunctionExpression'

/** Names that a declaring pattern binds. */
export function* boundNames(pattern: Pattern): Generator<string> {
  switch (pattern.type) {
    case 'Identifier':
      yield pattern.name
      break
    case 'ObjectPattern':
      for (const property of pattern.properties)
        yield* boundNames(property.type === 'RestElement' ? property.argument : property.value)
      break
    case 'ArrayPattern':
      for (const element of pattern.elements) if (element) yield* boundNames(element)
      break
    case 'RestElement':
      yield* boundNames(pattern.argument)
      break
    case 'AssignmentPattern':
      yield* boundNames(pattern.left)
  }
}

/** Names that `var` declares in a body, at any depth outside of inner functions. */
export function* varNames(node: AnyNode): Generator<string> {
  if (node.type === 'VariableDeclaration') {
    if (node.kind === 'var') for (const { id } of node.declarations) yield* boundNames(id)
  }
  for (const child of childrenOf(node))
    if (!isFunction(child) && child.type !== 'StaticBlock' && child.type !== 'PropertyDefinition')
      yield* varNames(child)
}

/** Names that the statements of one block declare for the block. */
export function* blockNames(statements: readonly AnyNode[]): Generator<string> {
  for (const statement of statements) {
    if (statement.type === 'VariableDeclaration') {
      if (statement.kind !== 'var') for (const { id } of statement.declarations) yield* boundNames(id)
    } else if (statement.type === 'FunctionDeclaration' || statement.type === 'ClassDeclaration') {
      if (statement.id) yield statement.id.name
    } else if (statement.type === 'LabeledStatement') yield* blockNames([statement.body])
    else if (statement.type === 'ExportNamedDeclaration' || statement.type === 'ExportDefaultDeclaration') {
      if (statement.declaration) yield* blockNames([statement.declaration])
    }
  }
}
