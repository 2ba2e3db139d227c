import { Buffer } from 'node:buffer'
import { randomUUID } from 'node:crypto'
import { after } from '../../runtime/clock.ts'
import { TrafficError } from '../../runtime/errors.ts'
import type { Bus } from '../bus/bus.ts'
import { decodeMember, type Member, memberBucket } from '../membership/member.ts'
import { isViewAnswer } from './view-answer.ts'
import { type ViewAnswer, type ViewQuestion, viewSubject } from './view-messages.ts'

/** What asking all nodes of a cluster has brought. */
export interface FleetAnswer {
  readonly members: readonly Member[]
  readonly answers: readonly ViewAnswer[]
  /** Names of members that have not answered: busy, cut off, or dead and not missed yet. */
  readonly silent: readonly string[]
}

/** How long those are waited for that are no members, and whom nobody misses: who comes, was cut off, or was displaced. */
const strangersMs = 100

/** Asks all nodes, and waits until all that are members have answered, at most for `timeoutMs`. */
export async function askFleet(
  bus: Bus,
  cluster: string,
  question: ViewQuestion,
  timeoutMs: number,
): Promise<FleetAnswer> {
  const members = await membersOf(bus, cluster)
  const missing = new Set(members.map(({ name }) => name))
  const answers: ViewAnswer[] = []
  const inbox = `_INBOX.${randomUUID().replaceAll('-', '')}`
  const { promise: done, resolve } = Promise.withResolvers<void>()
  const cancels = [after(timeoutMs, resolve)]
  const complete = (): void => void cancels.push(after(strangersMs, resolve))
  const subscription = bus.subscribe(inbox, ({ payload }) => {
    const answer = readAnswer(payload)
    if (answer === undefined) return
    answers.push(answer)
    // One that has lost its name to another does not answer for that.
    if (answer.incarnation !== null) missing.delete(answer.node)
    if (missing.size === 0) complete()
  })
  bus.publish(viewSubject(cluster), Buffer.from(JSON.stringify(question)), { reply: inbox })
  if (missing.size === 0) complete()
  await done
  for (const cancel of cancels) cancel()
  subscription.unsubscribe()
  return {
    members,
    answers: answers.sort((a, b) => (a.node < b.node ? -1 : 1)),
    silent: [...missing].sort(),
  }
}

/**
 * The nodes of a cluster by their entries.
 *
 * @throws TrafficError `ClusterError` when there is no such cluster; it is not made by looking at it
 */
async function membersOf(bus: Bus, cluster: string): Promise<Member[]> {
  const name = memberBucket(cluster)
  if ((await bus.streams.info(`KV_${name}`)) === undefined)
    throw new TrafficError(
      'ClusterError',
      `there has never been a node of a cluster '${cluster}' here; --cluster names another, if it is called otherwise`,
    )
  const bucket = await bus.bucket(name)
  const entries = await Promise.all((await bucket.keys()).map(key => bucket.get(key)))
  return entries
    .flatMap(entry => (entry?.value === undefined ? [] : (decodeMember(entry.value) ?? [])))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}

function readAnswer(payload: Uint8Array): ViewAnswer | undefined {
  try {
    const answer: unknown = JSON.parse(Buffer.from(payload).toString())
    return isViewAnswer(answer) ? answer : undefined
  } catch {
    return undefined
  }
}
