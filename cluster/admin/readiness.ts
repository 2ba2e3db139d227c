import type { ClusterNode } from '../cluster-node.ts'
import type { Threads } from '../threads.ts'
import type { ClusterStatus } from './node-status.ts'

/** Whether a balancer should send traffic here, and why not, for who looks at it. */
export interface Readiness {
  readonly isReady: boolean
  readonly text: string
}

/** A thread that does not answer within this serves nobody either. */
const answerMs = 1000

/**
 * Asks the threads, because one that hangs in a script is as little use as one that died. Without its NATS a node serves
 * on: it is ready, and says what is missing.
 */
export async function readReadiness(
  stage: string,
  threads: Threads,
  cluster: ClusterNode | undefined,
): Promise<Readiness> {
  const not = (why: string): Readiness => ({ isReady: false, text: `not ready: ${why}\n` })
  if (stage !== 'serving') return not(stage)
  const { ready } = threads
  if (ready.length === 0) return not('no thread serves')
  const answers = ready.map(thread => thread.dialogue.ask({ kind: 'ping' }, answerMs))
  const isAnswered = await Promise.any(answers).then(
    () => true,
    () => false,
  )
  if (!isAnswered) return not('no thread answers')
  return { isReady: true, text: `ready\n${cluster === undefined ? '' : lackOf(cluster.status)}` }
}

/** What a node does without while it is no part of its cluster. */
function lackOf({ name, isConnected, isIn, incarnation }: ClusterStatus): string {
  if (!isConnected) return 'without NATS: nothing comes from or goes to other nodes\n'
  if (incarnation === undefined) return `not in the cluster '${name}': another node has taken its name\n`
  return isIn ? '' : `not in the cluster '${name}': nothing comes from or goes to other nodes\n`
}
