import { buildCommand } from '../../cluster/command.ts'
import { code, page } from './markdown.ts'

/** The help as `sluice --help` prints it on a wide terminal. */
function help(): string {
  let text = ''
  const write = (piece: string): void => {
    text += piece
  }
  buildCommand(1)
    .configureOutput({ writeOut: write, getOutHelpWidth: () => 110, getOutHasColors: () => false })
    .outputHelp()
  return text
}

export function commandLinePage(): string {
  return page(
    'Command line',
    code('text', help()),
    'An unknown option is refused with the nearest name. Log lines go to the standard error: for a person when that is a terminal, as JSON otherwise. `NO_COLOR` switches colours off.',
  )
}
