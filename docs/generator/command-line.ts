import type { Command } from 'commander'
import { buildCommand } from '../../cluster/command.ts'
import { buildViewCommand } from '../../cluster/views/commands.ts'
import { code, page } from './markdown.ts'

/** The help of a command as it prints it on a wide terminal. */
function help(command: Command): string {
  let text = ''
  const write = (piece: string): void => {
    text += piece
  }
  command
    .configureOutput({ writeOut: write, getOutHelpWidth: () => 110, getOutHasColors: () => false })
    .outputHelp()
  return text
}

export function commandLinePage(): string {
  return page(
    'Command line',
    code('text', help(buildCommand(1))),
    'An unknown option is refused with the nearest name. Log lines go to the standard error: for a person when that is a terminal, as JSON otherwise. `NO_COLOR` switches colours off.',
    '## Looking at a cluster',
    'From any machine that reaches NATS: [From one process to a fleet](../guides/fleet.md#look-at-it). A node that does not answer in time is named on the standard error; exit code 1 says that the cluster could not be asked.',
    ...views().map(command => code('text', help(command))),
  )
}

/** Every subcommand that does something. */
function views(): Command[] {
  const nothing = (): void => {}
  const leaves = (command: Command): Command[] =>
    command.commands.length === 0 ? [command] : command.commands.flatMap(leaves)
  return leaves(buildViewCommand({ variables: {}, out: nothing, say: nothing }))
}
