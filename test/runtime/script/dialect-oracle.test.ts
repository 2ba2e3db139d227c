/**
 * Generated programs give the same in the dialect as in JavaScript's own `with (context) { … }`, which is what the
 * dialect means.
 */

import { inspect } from 'node:util'
import test from 'ava'
import fc from 'fast-check'
import { runDialect } from '../../../runtime/script/dialect.ts'
import { type Builder, pipy } from './script-folder.ts'

/** `a`, `b` and `c` are context variables, which locals of the same names shadow; `x` and `y` are only locals. */
const names = ['a', 'b', 'c', 'x', 'y'] as const
const shared = ['a', 'b', 'c'] as const

/** Writes a program, taking its decisions from a list of numbers. */
class ProgramWriter {
  private readonly choices: readonly number[]
  private at = 0

  constructor(choices: readonly number[]) {
    this.choices = choices
  }

  private pick<T>(options: readonly T[]): T {
    const choice = this.choices[this.at++ % this.choices.length] as number
    return options[(choice + this.at) % options.length] as T
  }

  /** @param locals names declared around the statement, besides the context variables. */
  block(depth: number, locals: readonly string[]): string {
    const declared = names.filter(() => this.pick([0, 0, 0, 1]) === 1)
    const inner = [...locals, ...declared]
    const declarations = declared.map(name => {
      const kind = this.pick(['let', 'let', 'function', 'class'])
      if (kind === 'function')
        return `function ${name}() { out.tick(); return ${this.expression(depth - 1, inner)} }`
      return kind === 'class' ? `class ${name} {}` : `let ${name} = ${this.expression(depth - 1, inner)}`
    })
    const statements = [0, 1, 2].map(() => this.statement(depth - 1, inner))
    return [...declarations, ...statements].toSorted(() => this.pick([-1, 0, 1])).join(';\n')
  }

  private statement(depth: number, locals: readonly string[]): string {
    const e = (): string => this.expression(depth - 1, locals)
    const name = this.name(locals)
    if (depth <= 0) return `out.push(${e()})`
    switch (this.pick([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])) {
      case 0:
        return `if (${e()}) {\n${this.block(depth, locals)}\n} else ${name} = ${e()}`
      case 1:
        return `for (const ${name} of [1, ${e()}]) { out.push(${this.expression(depth - 1, [...locals, name])}) }`
      case 2:
        return `try {\n${this.block(depth, locals)}\n} catch (${this.pick(names)}) { out.push(${e()}) }`
      case 3:
        return `for (let ${name} = 0, n = 0; n < 2; n++, ${name}++) out.push(${e()})`
      case 4:
        return `[${this.name(locals)}, { ${name} = ${e()} }] = [${e()}, {}]`
      case 5:
        return `switch (1) { case 1: let ${name} = 5; out.push(${this.expression(depth - 1, [...locals, name])}) }`
      case 6:
        return `({ ${this.name(locals)}, ...${name} } = { a: ${e()}, x: ${e()}, z: 1 })`
      default:
        return `out.push(${e()})`
    }
  }

  private expression(depth: number, locals: readonly string[]): string {
    const name = this.name(locals)
    if (depth <= 0) return this.pick([name, name, '1', "'s'"])
    const e = (): string => this.expression(depth - 1, locals)
    const parameter = this.pick(names)
    const inner = (): string => this.expression(depth - 1, [...locals, parameter])
    switch (this.pick([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14])) {
      case 0:
        return `(${e()} + ${e()})`
      case 1:
        return `(${name} = ${e()})`
      case 2:
        return `(${name} ${this.pick(['+=', '??=', '||=', '&&='])} ${e()})`
      case 3:
        return this.pick([`${name}++`, `--${name}`])
      case 4:
        return `typeof ${name}`
      case 5:
        return `(${parameter} => ${inner()})(${e()})`
      case 6:
        return `((${parameter} = ${e()}) =>\n ${inner()})()`
      case 7:
        return `(function (${parameter}) {\n${this.functionBody(depth, locals, parameter)}\n})(${e()})`
      case 8:
        return `(({ ${parameter} = ${e()} }) => [${inner()}])({})`
      case 9:
        return `Object.values({ ${name}, k: ${e()} }).join()`
      case 10:
        return `\`\${${e()}}\``
      case 11:
        return `${name}?.(${e()})`
      case 12:
        return `(() => { var ${parameter} = ${e()}; return ${inner()} })()`
      case 13:
        return `(function ${parameter}() { out.tick(); return typeof ${parameter} + ${e()} })()`
      default:
        return `(${e()} ? ${e()} : ${e()})`
    }
  }

  private functionBody(depth: number, locals: readonly string[], parameter: string): string {
    return `{\n${this.block(depth - 1, [...locals, parameter])}\n}\nreturn ${parameter}`
  }

  private name(locals: readonly string[]): string {
    return this.pick([...shared, ...locals])
  }
}

/** What a program shows; it also ends programs that call themselves without end. */
class Output {
  readonly values: unknown[] = []
  private calls = 0

  push(value: unknown): void {
    this.values.push(value)
  }

  tick(): void {
    if (++this.calls > 200) throw new RangeError('too many calls')
  }
}

type Outcome = { readonly out: string[]; readonly thrown: string | undefined; readonly context: string }

const observe = (run: (context: Record<string, unknown>, out: Output) => void): Outcome => {
  const context: Record<string, unknown> = { a: 1, b: 'two', c: undefined }
  const out = new Output()
  let thrown: string | undefined
  // The text of a function is the one thing in which the two differ.
  const textOf = Function.prototype.toString
  Function.prototype.toString = () => 'function'
  try {
    run(context, out)
  } catch (error) {
    thrown = (error as Error).name
  } finally {
    Function.prototype.toString = textOf
  }
  return { out: out.values.map(show), thrown, context: show(context) }
}

/** Errors are shown by name, since their words and traces name places. */
const show = (value: unknown): string =>
  inspect(value, { depth: 8, breakLength: Number.POSITIVE_INFINITY })
    .replace(/\n\s+at .*/g, '')
    .replace(/(\w+Error): [^\n]*/g, '$1')

test('a program in the dialect does what the same program does inside of `with (context)`', t => {
  let compared = 0
  fc.assert(
    fc.property(fc.array(fc.nat(1000), { minLength: 20, maxLength: 80 }), choices => {
      const body = new ProgramWriter(choices).block(4, [])
      let oracle: (context: object, out: Output) => void
      try {
        // A strict function may stand inside of a sloppy `with`.
        oracle = new Function(
          'context',
          'out',
          `with (context) { (() => {\n'use strict';\n${body}\n})() }`,
        ) as typeof oracle
      } catch {
        return // Not a program: a name declared twice.
      }
      compared++
      const expected = observe((context, out) => oracle(context, out))
      const actual = observe((context, out) => {
        const source = `pipy({ a: 1, b: 1, c: 1 }).on('x', out => {\n${body}\n})`
        const { value } = runDialect('/test/oracle.js', source, { pipy })
        ;(value as Builder).call('x', context, out)
      })
      t.deepEqual(actual, expected, body)
    }),
    { numRuns: 400 },
  )
  t.true(compared > 200, `${compared} programs were compared`)
})
