/** Writes to the standard output, as a script that is a tool for a terminal does; what is for operators goes to the log. */
export function print(...values: readonly unknown[]): void {
  process.stdout.write(values.map(String).join(' '))
}

/** The same, with the end of the line. */
export function println(...values: readonly unknown[]): void {
  print(`${values.map(String).join(' ')}\n`)
}
