import type { ActorList } from '../../actors/host.ts'
import { sumLedgers } from '../../actors/kernel/ledger-sum.ts'
import { TrafficError } from '../../runtime/errors.ts'
import type { NodeStatus } from '../admin/node-status.ts'
import type { FleetAnswer } from './fleet.ts'
import { summaryOf } from './node-views.ts'
import { type ViewAnswer, type ViewQuestion, viewVersion } from './view-messages.ts'

/** Asks a single node by its admin port: for nodes without a cluster, and for when NATS is what is broken. */
export async function askAdmin(
  endpoint: string,
  { view, limit, pipeline }: ViewQuestion,
  timeoutMs: number,
): Promise<FleetAnswer> {
  const base = `http://${endpoint.includes(':') ? endpoint : `127.0.0.1:${endpoint}`}`
  const ask = async <T>(path: string): Promise<T> => {
    try {
      const response = await fetch(`${base}${path}`, { signal: AbortSignal.timeout(timeoutMs) })
      if (response.ok) return (await response.json()) as T
      throw new Error(`it answers ${response.status}`)
    } catch (error) {
      throw new TrafficError('ClusterError', `${base} is not the admin port of a node that answers`, error)
    }
  }
  const status = await ask<NodeStatus & { readonly version?: string }>('/api/v1/status')
  const node = status.cluster?.node ?? endpoint
  const answer: ViewAnswer = {
    version: viewVersion,
    node,
    incarnation: status.cluster === undefined ? undefined : (status.cluster.incarnation ?? null),
    summary: view === 'nodes' ? summaryOf(status, status.version ?? '-') : undefined,
    edges: view === 'edges' ? sumLedgers(status.threads.flatMap(({ edges }) => edges)) : undefined,
  }
  const members = status.cluster?.members ?? []
  if (view !== 'actors') return { members, answers: [answer], silent: [] }
  const query = new URLSearchParams({ limit: String(limit), ...(pipeline && { pipeline }) })
  const actors = await ask<(ActorList & { thread: number })[]>(`/api/v1/actors?${query}`)
  return { members, answers: [{ ...answer, actors }], silent: [] }
}
