import type { Member } from '../membership/member.ts'
import type { FleetAnswer } from './fleet.ts'
import { duration, table } from './table.ts'
import type { NodeSummary } from './view-messages.ts'

/** A node in the list of nodes: what the cluster knows of it, and what it says of itself. */
export interface NodeRow {
  readonly node: string
  /** 'silent': it is a member and did not answer in time. */
  readonly state: string
  readonly roles: readonly string[] | undefined
  readonly pipelines: readonly string[]
  readonly incarnation: string | undefined
  readonly wires: readonly number[]
  readonly summary: NodeSummary | undefined
}

export function nodeRows({ members, answers: all, silent }: FleetAnswer): NodeRow[] {
  const answers = all.filter(({ incarnation }) => incarnation !== null)
  const displaced = all.filter(({ incarnation }) => incarnation === null)
  const names = new Set([...members.map(({ name }) => name), ...answers.map(({ node }) => node)])
  const rows = [...names].map((node): NodeRow => {
    const member: Member | undefined = members.find(({ name }) => name === node)
    const summary = answers.find(answer => answer.node === node)?.summary
    return {
      node,
      state: silent.includes(node) ? 'silent' : stateOf(member, summary),
      roles: member?.roles,
      pipelines: member?.pipelines ?? [],
      incarnation: member?.incarnation,
      wires: member?.wires ?? [],
      summary,
    }
  })
  // They run on beside the one that has their name now, until somebody gives them another.
  const others = displaced.map(
    ({ node, summary }): NodeRow => ({
      node,
      state: `${summary?.stage}, displaced`,
      roles: undefined,
      pipelines: [],
      incarnation: undefined,
      wires: [],
      summary,
    }),
  )
  return [...rows, ...others].sort((a, b) => (a.node < b.node ? -1 : a.node > b.node ? 1 : 0))
}

/**
 * What the cluster knows comes first: a node that drains gets no more keys whatever it says of itself. One that answers and is
 * no member is just coming, or has lost the cluster.
 */
function stateOf(member: Member | undefined, summary: NodeSummary | undefined): string {
  if (member === undefined) return `${summary?.stage}, not in`
  return member.state === 'serving' ? (summary?.stage ?? member.state) : member.state
}

export const showNodes = (rows: readonly NodeRow[]): string =>
  table<NodeRow>(
    [
      { title: 'NODE', value: ({ node }) => node },
      { title: 'STATE', value: ({ state }) => state },
      {
        title: 'ROLES',
        value: ({ roles, incarnation }) => roles?.join(',') ?? (incarnation ? '(all)' : '-'),
      },
      { title: 'HOSTS', value: ({ pipelines }) => pipelines.join(',') || '-' },
      {
        title: 'THREADS',
        value: ({ summary }) =>
          summary === undefined ? '-' : `${summary.threadsServing}/${summary.threads}`,
      },
      { title: 'SESSIONS', value: ({ summary }) => summary?.sessions ?? '-' },
      { title: 'CONNECTIONS', value: ({ summary }) => summary?.connections ?? '-' },
      { title: 'LISTENS', value: ({ summary }) => summary?.listeners.join(' ') || '-' },
      { title: 'UP', value: ({ summary }) => (summary === undefined ? '-' : duration(summary.upSeconds)) },
      { title: 'VERSION', value: ({ summary }) => summary?.version ?? '-' },
    ],
    rows,
  )
