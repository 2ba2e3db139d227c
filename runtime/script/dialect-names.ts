/** What names mean in the third generation of Pipy's scripts: fiber variables, and what modules give each other. */

import type { AnyNode, Identifier, Program, VariableDeclarator } from 'acorn'

/** `$` alone is what builders of pipelines call their argument. */
const isFiberName = (name: string): boolean => name.length > 1 && name.startsWith('$')

/** The declarators of `var $name` in a declaration; none in anything else. */
export function fiberDeclarators(node: AnyNode): (VariableDeclarator & { id: Identifier })[] {
  if (node.type !== 'VariableDeclaration' || node.kind !== 'var') return []
  return node.declarations.filter(
    (each): each is VariableDeclarator & { id: Identifier } =>
      each.id.type === 'Identifier' && isFiberName(each.id.name),
  )
}

/** A name that stands for what another module exports. */
export interface ImportedName {
  readonly kind: 'import'
  /** How the module is named, as the script writes it. */
  readonly from: string
  /** Undefined for all that it exports, as one object. */
  readonly name: string | undefined
}

/** The text of a name of an export or import, which may be quoted. */
export const nameOf = (node: AnyNode): string =>
  node.type === 'Identifier' ? node.name : String((node as { value?: unknown }).value)

/** The names that the imports of a program declare. */
export function importedNames(program: Program): Map<string, ImportedName> {
  const names = new Map<string, ImportedName>()
  for (const node of program.body) {
    if (node.type !== 'ImportDeclaration') continue
    const from = String(node.source.value)
    for (const each of node.specifiers) {
      const name =
        each.type === 'ImportNamespaceSpecifier'
          ? undefined
          : each.type === 'ImportDefaultSpecifier'
            ? 'default'
            : nameOf(each.imported)
      names.set(each.local.name, { kind: 'import', from, name })
    }
  }
  return names
}
