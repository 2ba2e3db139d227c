/** Whether a JavaScript file is an ES module or a script in Pipy's dialect. */

import { type AnyNode, type Options, type Program, parse } from 'acorn'
import { dialectSyntax } from './dialect-rewrite.ts'
import { lineOf } from './known-scripts.ts'
import { lexicalScopes } from './lexical-scopes.ts'
import { ScriptError } from './script-error.ts'
import { stripTypes } from './strip-types.ts'
import { childrenOf } from './syntax-tree.ts'

const moduleSyntax: Options = {
  ecmaVersion: 'latest',
  sourceType: 'module',
  locations: true,
  allowHashBang: true,
  allowReturnOutsideFunction: true,
}

/** @throws ScriptError when the file cannot be parsed, or is neither. */
export function scriptKind(file: string, source: string): 'module' | 'dialect' {
  const asModule = tryParse(source, moduleSyntax)
  if (asModule.program && usesModules(asModule.program))
    return isDialectModule(asModule.program) ? 'dialect' : 'module'
  const asDialect = tryParse(source, dialectSyntax)
  const program = asDialect.program ?? asModule.program
  if (!program) throw syntaxError(file, source, looksLikeModule(source) ? asModule.error : asDialect.error)
  if (usesPipy(program)) return 'dialect'
  throw new ScriptError({
    code: 'ScriptError',
    message: "the script neither imports 'sluice' nor calls pipy()",
    cure: "Write `import { sluice } from 'sluice'` and `export default sluice()…`, or one expression `pipy()…`.",
    file,
  })
}

/** The global names by which a script without `pipy({ … })` does anything. */
const usesPipy = (program: Program): boolean =>
  lexicalScopes(program).uses.some(
    ({ binding, node }) => binding === undefined && (node.name === 'pipy' || node.name === 'pipeline'),
  )

/** A module of Pipy's third generation: it has the dialect's global names, and nothing of 'sluice'. */
const isDialectModule = (program: Program): boolean =>
  usesPipy(program) &&
  !program.body.some(node => node.type === 'ImportDeclaration' && node.source.value === 'sluice')

/** How a file is parsed that another one imports, which may be a module without using any global name. */
export function dialectFileSyntax(source: string): Options {
  return hasModuleSyntax(source) ? { ...dialectSyntax, sourceType: 'module' } : dialectSyntax
}

/** True for a text with imports or exports; false too for one that cannot be parsed. */
export function hasModuleSyntax(source: string): boolean {
  const { program } = tryParse(source, moduleSyntax)
  return program !== undefined && usesModules(program)
}

/** The first syntax error of an ES module, if another parser than V8's, which does not say where, finds one. */
export function moduleSyntaxError(file: string, source: string): ScriptError | undefined {
  let text = source
  try {
    if (/\.m?ts$/.test(file)) text = stripTypes(source, file)
  } catch {
    return undefined
  }
  const { error } = tryParse(text, moduleSyntax)
  return error && syntaxError(file, source, error)
}

interface AcornError extends SyntaxError {
  readonly loc: { readonly line: number; readonly column: number }
}

const tryParse = (source: string, options: Options): { program?: Program; error?: AcornError } => {
  try {
    return { program: parse(source, options) }
  } catch (error) {
    return { error: error as AcornError }
  }
}

const looksLikeModule = (source: string): boolean => /^\s*(?:import|export)\b/m.test(source)

function usesModules(node: AnyNode): boolean {
  if (node.type === 'ImportDeclaration' || node.type === 'MetaProperty')
    return node.type !== 'MetaProperty' || node.meta.name === 'import'
  if (/^Export(?:All|Default|Named)Declaration$/.test(node.type)) return true
  return childrenOf(node).some(usesModules)
}

function syntaxError(file: string, source: string, error: AcornError | undefined): ScriptError {
  const line = error?.loc.line
  return new ScriptError(
    {
      code: 'ScriptError',
      message: `SyntaxError: ${error?.message.replace(/ \(\d+:\d+\)$/, '') ?? 'the file cannot be parsed'}`,
      cure: 'Correct the syntax at this place.',
      file,
      line,
      column: error && error.loc.column + 1,
      sourceLine: line === undefined ? undefined : lineOf(source, line),
    },
    error,
  )
}
