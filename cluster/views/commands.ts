import { Command, InvalidArgumentError, Option } from 'commander'
import { wallMs } from '../../runtime/clock.ts'
import { TrafficError } from '../../runtime/errors.ts'
import { noLog } from '../../runtime/log.ts'
import { isName, parseDuration } from '../../runtime/options.ts'
import { printable, printableJSON } from '../../runtime/printable.ts'
import type { Bus } from '../bus/bus.ts'
import { connectNats } from '../bus/nats-bus.ts'
import { type NatsSettings, natsSettings } from '../bus/nats-settings.ts'
import { DeadLetterOffice } from '../durable/dead-letter-office.ts'
import { actorRows, showActors } from './actor-rows.ts'
import { askAdmin } from './admin-source.ts'
import { deadLetterRow, showDeadLetter, showDeadLetters } from './dead-letters.ts'
import { edgeRows, showEdges } from './edge-rows.ts'
import { askFleet, type FleetAnswer } from './fleet.ts'
import { nodeRows, showNodes } from './node-rows.ts'
import { readStreams, showStreams } from './stream-rows.ts'
import { omittedOf, type ViewQuestion } from './view-messages.ts'

/** What a subcommand gets from the process. */
export interface ViewEnvironment {
  readonly variables: Readonly<Record<string, string | undefined>>
  out(text: string): void
  /** For what is no result: who did not answer. */
  say(text: string): void
}

interface NatsOptions {
  readonly nats: string
  readonly cluster: string
  readonly json?: true
  /** Milliseconds. */
  readonly timeout: number
}

interface FleetOptions extends Omit<NatsOptions, 'nats'> {
  readonly nats?: string
  /** A node's admin port, instead of NATS. */
  readonly admin?: string
}

/** The subcommands that look at a cluster, as commander knows them. Their actions reject with TrafficError. */
export function buildViewCommand(environment: ViewEnvironment): Command {
  // Names, keys and messages come from whoever may write to NATS.
  const out = (text: string): void => environment.out(printable(text))
  const root = quiet(new Command('sluice'))

  ofFleet(root.command('nodes'))
    .description('who is alive: nodes with their roles, what they host, and how busy they are')
    .action((options: FleetOptions) =>
      withFleet(environment, options, { view: 'nodes', limit: 0 }, fleet => {
        const rows = nodeRows(fleet)
        out(options.json ? json(rows) : rows.length === 0 ? 'No node is alive.\n' : showNodes(rows))
      }),
    )

  ofFleet(root.command('actors'))
    .description('where keys live: the actors of shared pipelines')
    .argument('[pipeline]', 'only those of this pipeline')
    .addOption(limit('actors that each node lists', 50))
    .action((pipeline: string | undefined, options: FleetOptions & { limit: number }) =>
      withFleet(environment, options, { view: 'actors', limit: options.limit, pipeline }, ({ answers }) => {
        const rows = actorRows(answers)
        out(options.json ? json(rows) : showActors(rows, pipeline))
      }),
    )

  ofFleet(root.command('edges'))
    .description('every ledger: what was sent over each edge, and what became of it')
    .option('--by-node', 'for each node, instead of all together')
    .option('--all', 'those too over which nothing was sent')
    .action((options: FleetOptions & { byNode?: true; all?: true }) =>
      withFleet(environment, options, { view: 'edges', limit: 1000 }, ({ answers }) => {
        const all = edgeRows(answers, options.byNode === true)
        const rows = options.all ? all : all.filter(({ accepted }) => accepted > 0)
        out(options.json ? json(rows) : showEdges(rows))
        const omitted = omittedOf(answers)
        if (omitted > 0)
          environment.say(
            `${omitted} more ${omitted === 1 ? 'edge is' : 'edges are'} missing here: an answer of a node has no room for more. Its /metrics has all.\n`,
          )
      }),
    )

  ofNats(root.command('streams'))
    .description(
      "what waits in streams, of pipelines with delivery 'at-least-once', and whether anybody takes it",
    )
    .action((options: NatsOptions) =>
      withBus(environment, options.nats, async bus => {
        const rows = await readStreams(bus, options.cluster, wallMs())
        out(options.json ? json(rows) : showStreams(rows))
      }),
    )

  const letters = quiet(root.command('dead-letters')).description(
    "events that a pipeline with delivery 'at-least-once' has given up",
  )
  ofNats(letters.command('list'))
    .description('the newest first')
    .argument('[pipeline]', 'only those of this pipeline')
    .addOption(limit('dead letters to list', 100))
    .action((pipeline: string | undefined, options: NatsOptions & { limit: number }) =>
      withOffice(environment, options, async office => {
        const found = await office.list(options.limit, pipeline)
        out(options.json ? json(found.map(deadLetterRow)) : showDeadLetters(found, pipeline))
      }),
    )
  ofNats(letters.command('show'))
    .description('all of one: the message, and why it was given up')
    .argument('<number>', 'its number in the list', sequence)
    .action((number: number, options: NatsOptions) =>
      withOffice(environment, options, async office => {
        const letter = await office.show(number)
        if (letter === undefined) throw new NoSuchLetter([number])
        out(options.json ? json(deadLetterRow(letter)) : showDeadLetter(letter))
      }),
    )
  ofNats(letters.command('replay'))
    .description('gives them to their pipelines again, as new events')
    .argument('<number...>', 'their numbers in the list', sequences)
    .action((numbers: number[], options: NatsOptions) =>
      withOffice(environment, options, async office => {
        await withAll(numbers, async number => {
          const stored = await office.replay(number)
          if (stored === undefined) return false
          out(options.json ? json({ number, stored }) : `Dead letter ${number} is in its stream again.\n`)
          return true
        })
      }),
    )
  ofNats(letters.command('delete'))
    .description('forgets them')
    .argument('<number...>', 'their numbers in the list', sequences)
    .action((numbers: number[], options: NatsOptions) =>
      withOffice(environment, options, async office => {
        await withAll(numbers, async number => {
          if (!(await office.delete(number))) return false
          out(options.json ? json({ number, deleted: true }) : `Dead letter ${number} is deleted.\n`)
          return true
        })
      }),
    )
  return root
}

/**
 * Does something with each of these dead letters, also behind one that there is not.
 *
 * @param work gives false when there is no such one
 */
async function withAll(
  numbers: readonly number[],
  work: (number: number) => Promise<boolean>,
): Promise<void> {
  const missing: number[] = []
  for (const number of numbers) if (!(await work(number))) missing.push(number)
  if (missing.length > 0) throw new NoSuchLetter(missing)
}

/** Numbers that no dead letter has. */
class NoSuchLetter extends Error {
  constructor(numbers: readonly number[]) {
    super(
      `There is no dead letter ${numbers.join(', ')}; sluice dead-letters list shows those that there are.`,
    )
  }
}

const quiet = (command: Command): Command =>
  command
    .showSuggestionAfterError(false)
    .configureOutput({ writeErr: () => {}, outputError: () => {} })
    .exitOverride()

/** As the node itself takes it: a name that no cluster can have is a slip of the pen, and not a cluster that is away. */
function clusterName(text: string): string {
  if (isName(text)) return text
  throw new InvalidArgumentError("It wants a name of up to 64 letters, digits, '-' and '_'.")
}

const natsOption = (): Option =>
  new Option('--nats <url,...>', 'servers of NATS in the middle of the cluster')

const ofNats = (command: Command): Command =>
  common(quiet(command).addOption(natsOption().makeOptionMandatory()))

const ofFleet = (command: Command): Command =>
  common(
    quiet(command)
      .addOption(natsOption())
      .addOption(
        new Option('--admin <[ip:]port>', 'ask this one node by its admin port; it needs no NATS').conflicts(
          'nats',
        ),
      ),
  )

const common = (command: Command): Command =>
  command
    .addOption(new Option('--cluster <name>', 'which cluster').default('sluice').argParser(clusterName))
    .option('--json', 'print JSON instead of a table')
    .addOption(
      new Option('--timeout <seconds>', 'how long nodes may take to answer')
        .default(2000, '2')
        .argParser(milliseconds),
    )
    .helpOption('-h, --help', 'print this')

const limit = (what: string, most: number): Option =>
  new Option('--limit <n>', what).default(most).argParser(text => whole(text, 'a number from 0 on'))

function whole(text: string, wanted: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError(`It wants ${wanted}.`)
  return Number(text)
}

const sequence = (text: string): number => whole(text, 'the number of a dead letter')
const sequences = (text: string, before: number[] | undefined): number[] => [
  ...(before ?? []),
  sequence(text),
]

function milliseconds(text: string): number {
  const ms = parseDuration(/^[\d.]+$/.test(text) ? Number(text) : text)
  if (ms === undefined || ms === 0)
    throw new InvalidArgumentError('It wants seconds, or a time like 500ms or 2m.')
  return ms
}

const json = (value: unknown): string => `${printableJSON(JSON.stringify(value, undefined, 2))}\n`

async function withBus<R>(
  { variables }: ViewEnvironment,
  nats: string,
  work: (bus: Bus) => Promise<R>,
): Promise<R> {
  const bus = await connectNats({ settings: settingsOf(nats, variables), name: 'sluice-view', log: noLog })
  try {
    return await work(bus)
  } finally {
    await bus.close()
  }
}

function settingsOf(nats: string, variables: ViewEnvironment['variables']): NatsSettings {
  try {
    return natsSettings(nats, variables)
  } catch (error) {
    throw new WrongCommand(`--nats: ${TrafficError.from(error).message}`)
  }
}

async function withFleet(
  environment: ViewEnvironment,
  { nats, admin, cluster, timeout }: FleetOptions,
  question: ViewQuestion,
  show: (fleet: FleetAnswer) => void,
): Promise<void> {
  let fleet: FleetAnswer
  if (admin !== undefined) fleet = await askAdmin(admin, question, timeout)
  else if (nats !== undefined)
    fleet = await withBus(environment, nats, bus => askFleet(bus, cluster, question, timeout))
  else
    throw new WrongCommand(
      'It wants to know whom to ask: --nats=nats://127.0.0.1:4222 for all nodes, or --admin=9000 for one.',
    )
  show(fleet)
  const { silent } = fleet
  if (silent.length === 0) return
  const lack = silent.length === 1 ? 'what it has' : 'what they have'
  environment.say(
    printable(`No answer within ${timeout / 1000} s from ${silent.join(', ')}: ${lack} is missing here.\n`),
  )
}

const withOffice = (
  environment: ViewEnvironment,
  { nats, cluster }: NatsOptions,
  work: (office: DeadLetterOffice) => Promise<void>,
): Promise<void> => withBus(environment, nats, bus => work(new DeadLetterOffice(bus, cluster)))

/** The command line does not say what can be done. */
export class WrongCommand extends Error {}
