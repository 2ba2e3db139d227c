/**
 * What a line of 512 bytes costs the edge that sends it to a pipeline on another node, and the logger that takes it: the split of the
 * stream without a fork, with one, and from the frame to the actor. Transport and bus are in memory, so that it is our JavaScript alone
 * that is measured. Prints nanoseconds per line, the least of many short rounds, so that some are not disturbed.
 *
 *     node bench/micro/cluster-lines.ts [rounds]
 */

import { Buffer } from 'node:buffer'
import { Message, sluice } from '../../actors/index.ts'
import type { Bus } from '../../cluster/bus/bus.ts'
import { ClusterThread } from '../../cluster/cluster-thread.ts'
import { threadSubject } from '../../cluster/delivery/subjects.ts'
import { wireVersions } from '../../cluster/membership/member.ts'
import { noLog } from '../../runtime/log.ts'
import { startMemoryHost } from '../harness/memory-host.ts'
import { installPromptClock } from '../harness/prompt-clock.ts'

/** Hands over what is published when it is asked to. */
class HeldBus {
  readonly maxPayload = 1024 * 1024
  readonly isConnected = true
  readonly handlers = new Map<string, (message: { payload: Uint8Array }) => void>()
  private held: (readonly [string, Uint8Array])[] = []

  onState(): () => void {
    return () => {}
  }

  publish(subject: string, payload: Uint8Array): boolean {
    this.held.push([subject, payload])
    return true
  }

  subscribe(subject: string, handler: (message: { payload: Uint8Array }) => void) {
    this.handlers.set(subject, handler)
    return { unsubscribe() {} }
  }

  async flush(): Promise<void> {}

  handOver(): void {
    const { held } = this
    this.held = []
    for (const [subject, payload] of held) this.handlers.get(subject)?.({ payload })
  }
}

// Frames are gathered for 8 ms, and go in the round that brings what is in them.
installPromptClock(10)

let count = 0
const log = { placement: 'cluster', role: 'log', key: () => String(count++ & 63) } as const
const scripts = {
  split: sluice().listen(8000).split('\n').dummy(),
  fork: sluice()
    .listen(8000, { role: 'edge' })
    .split('\n')
    .fork(undefined, { policy: 'block' })
    .to('log')
    .dummy()
    .pipeline('log', log)
    .replaceMessage(new Message()),
}

const bus = new HeldBus()
const members = [
  { name: 'edge-1', incarnation: 'abcdefghij', wires: wireVersions, pipelines: [] as string[] },
  { name: 'log-1', incarnation: 'bcdefghijk', wires: wireVersions, pipelines: ['log'] },
].map(member => ({ ...member, threads: [1], state: 'serving' as const }))

async function startNode(name: string, role: string, script: unknown) {
  const place = { cluster: 'bench', node: name, thread: 0, life: 1, log: noLog }
  const cluster = new ClusterThread({ ...place, bus: bus as unknown as Bus, tell() {} })
  const transport = await startMemoryHost(script, { cluster, roles: [role] })
  const incarnation = members.find(member => member.name === name)?.incarnation
  cluster.hear({ kind: 'cluster-self', incarnation })
  cluster.hear({ kind: 'cluster-lease', untilMs: Number.POSITIVE_INFINITY })
  cluster.hear({ kind: 'cluster-members', members })
  return transport
}

const plain = await startNode('plain', 'edge', scripts.split)
const edge = await startNode('edge-1', 'edge', scripts.fork)
await startNode('log-1', 'log', scripts.fork)
if (!bus.handlers.has(threadSubject('bench', { incarnation: 'bcdefghijk', thread: 0, life: 1 })))
  throw new Error('the logger does not listen')

const bytes = 512
const perChunk = 128
const chunk = Buffer.from(`${'x'.repeat(bytes - 1)}\n`.repeat(perChunk))
const [split, forked] = [await plain.pair(chunk), await edge.pair(chunk)]
const nextRound = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

const best = { split: Infinity, fork: Infinity, take: Infinity, credit: Infinity }
const chunks = 8
const least = (what: keyof typeof best, since: bigint): void => {
  best[what] = Math.min(best[what], Number(process.hrtime.bigint() - since) / (chunks * perChunk))
}
for (let round = 0; round < Number(process.argv[2] ?? 1000); round++) {
  let since = process.hrtime.bigint()
  for (let i = 0; i < chunks; i++) split.client.feed(chunk)
  least('split', since)
  await nextRound()
  since = process.hrtime.bigint()
  for (let i = 0; i < chunks; i++) {
    forked.client.feed(chunk)
    if (i % 2 === 1) await nextRound()
  }
  least('fork', since)
  await nextRound()
  since = process.hrtime.bigint()
  bus.handOver()
  least('take', since)
  since = process.hrtime.bigint()
  bus.handOver()
  least('credit', since)
}
const added = best.fork - best.split
for (const [what, ns] of Object.entries({ ...best, added }))
  process.stdout.write(
    `${JSON.stringify({ bench: 'cluster-lines', case: what, unit: 'ns/line', best: Math.round(ns) })}\n`,
  )
process.exit(0)
