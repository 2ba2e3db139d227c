import { parseArgs } from 'node:util'

export interface BenchOptions {
  readonly only: ReadonlySet<string> | undefined
  readonly peers: ReadonlySet<string> | undefined
  readonly rounds: number
  readonly seconds: number
  readonly connections: number
  readonly noNet: boolean
  readonly micro: boolean
  readonly out: string | undefined
  readonly help: boolean
}

export const USAGE = `node bench/run.ts [options]
  --only=proxy,hello   workloads to run (default: all)
  --peers=nginx,node:http   servers to compare with; the base of a workload always runs (default: all installed)
  --rounds=5           measured rounds, after one warm-up
  --seconds=2          length of one round
  --conns=64           keep-alive connections
  --no-net             leave out Sluice on the node:net transport
  --micro              run bench/micro/*.ts as well; with --only=micro nothing else
  --out=file.md        write the Markdown report there too (docs/benchmarks.md is the committed one)
`

/** The options of `npm run bench`. Throws on an unknown workload, a number that is none, an unknown flag. */
export function parseOptions(args: readonly string[], workloads: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string' },
      peers: { type: 'string' },
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '2' },
      conns: { type: 'string', default: '64' },
      'no-net': { type: 'boolean', default: false },
      micro: { type: 'boolean', default: false },
      out: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  const only = values.only === undefined ? undefined : new Set(values.only.split(','))
  for (const name of only ?? []) {
    if (name !== 'micro' && !workloads.includes(name)) {
      throw new Error(`--only=${name}: the workloads are ${workloads.join(', ')} and micro`)
    }
  }
  return {
    only,
    peers: values.peers === undefined ? undefined : new Set(values.peers.split(',')),
    rounds: positive('rounds', values.rounds),
    seconds: positive('seconds', values.seconds),
    connections: positive('conns', values.conns),
    noNet: values['no-net'],
    micro: values.micro || only?.has('micro') === true,
    out: values.out,
    help: values.help,
  }
}

function positive(name: string, text: string): number {
  const number = Number(text)
  if (!Number.isInteger(number) || number < 1)
    throw new Error(`--${name}=${text}: a whole number of at least 1 is wanted`)
  return number
}
