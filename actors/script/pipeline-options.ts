import { TrafficError } from '../../runtime/errors.ts'
import {
  count,
  duration,
  isFunction,
  isName,
  oneOf,
  optional,
  parseOptions,
  type Resolved,
  size,
} from '../../runtime/options.ts'
import type { DurableSettings } from '../shared/shared-pipelines.ts'

export const pipelineOptions = {
  placement: oneOf(
    ['local', 'node', 'cluster'],
    'local',
    "Where its actors live: 'local', one in each session that sends to it; 'node', one per key for all threads of the node; 'cluster', one per key for all nodes of the cluster that host it. Without --nats a node is a cluster of one.",
  ),
  key: optional(
    'a function ctx => key',
    "With placement 'node' or 'cluster': tells which of its actors gets a message. Without it there is one.",
    isFunction,
  ),
  maxIdle: duration(
    600_000,
    "With placement 'node' or 'cluster': ends the stream of an actor that got no message for so long, and forgets it (passivation); the next message to its key begins a new one. Bounds what keys that come from clients can pile up. 0: never.",
  ),
  role: optional(
    "a name of letters, digits, '-' and '_'",
    "With placement 'cluster': nodes that were started with --roles host it if this is among them; to the others it is a declaration to send to. A node without --roles hosts it. Without a role all nodes whose script gives it filters host it.",
    isName,
  ),
  delivery: oneOf(
    ['at-most-once', 'at-least-once'],
    'at-most-once',
    "With placement 'cluster': 'at-most-once' is fast, and what a node had that died is lost and counted; 'at-least-once' stores messages in a stream until the pipeline's own output says that they are done, and may give one again.",
  ),
  fanout: oneOf(
    ['one', 'all'],
    'one',
    "With placement 'cluster': 'one', a message goes to the one node that has its key; 'all', every node that hosts the pipeline takes a copy.",
  ),
  shards: count(
    0,
    "With placement 'cluster': parts that the keys fall into; a node hosts whole parts, so there should be many more of them than nodes. 0: 256, or 16 with delivery 'at-least-once', where each has a consumer on the server. The same on all nodes; what a stream still has of shards that there are no more is done all the same, but not in order with what comes to the new ones.",
  ),
  maxMessageSize: size(
    16 * 1024 * 1024,
    "With placement 'cluster': a larger message is dropped and counted. What is larger than a frame travels in parts, and takes this much memory at its host until it is whole.",
  ),
  acknowledge: oneOf(
    ['output', 'taken'],
    'output',
    "With delivery 'at-least-once': when a message is done. 'output': when the pipeline puts out a message for it, the first for the first and so on (what pack joins is answered together), and failed when that has a status from 400 on, 409 aside; a pipeline that ends in a sink or in muxHTTP does so. 'taken': when the pipeline has taken it without a throw, for one that puts nothing out.",
  ),
  answerWithin: duration(
    60_000,
    "With acknowledge 'output': a pipeline that puts out nothing for so long while messages await an answer is started anew, and gets them again. Longer than what the services behind it need on a bad day. 0: never.",
  ),
  maxDeliver: count(
    5,
    "With delivery 'at-least-once': a message that failed so often goes to the dead letters, which `sluice dead-letters` shows: enough for what passes in seconds, few enough that one bad message does not hold up those behind it. What fails because a service is not available is not counted, and waits for it.",
    1,
  ),
  streamSize: size(
    1024 ** 3,
    "With delivery 'at-least-once': bytes that the stream keeps on the servers; a full one takes nothing more, and what then happens is up to the policy of the sender. 1 GiB is minutes to hours of traffic, and fits most disks.",
  ),
  streamAge: duration(
    7 * 86_400_000,
    "With delivery 'at-least-once': what nobody has taken for so long goes. A week survives a long weekend.",
  ),
  duplicateWindow: duration(
    120_000,
    "With delivery 'at-least-once': how long the servers remember what was stored, to store nothing twice that is sent again. Costs their memory; 2 minutes are longer than most losses of a connection.",
  ),
  replicas: count(
    0,
    "With delivery 'at-least-once': copies that the servers keep of the stream. 0: three where the servers are a cluster, one where there is one.",
  ),
} as const

export type PipelineSettings = Resolved<typeof pipelineOptions>

const sharedOnly = ['key', 'maxIdle'] as const
const clusterOnly = ['role', 'delivery', 'fanout', 'shards', 'maxMessageSize'] as const
const durableOnly = [
  'acknowledge',
  'answerWithin',
  'maxDeliver',
  'streamSize',
  'streamAge',
  'duplicateWindow',
  'replicas',
] as const

/**
 * The options of a call of `pipeline`.
 *
 * @throws TrafficError `BadOption`, also for one that means nothing with this placement
 */
export function parsePipelineOptions(given: unknown): PipelineSettings {
  const settings = parseOptions(pipelineOptions, given, 'pipeline')
  const { placement } = settings
  const isGiven = (name: keyof PipelineSettings): boolean =>
    typeof given === 'object' &&
    given !== null &&
    (given as Partial<Record<typeof name, unknown>>)[name] !== undefined
  if (settings.delivery !== 'at-least-once') {
    const name = durableOnly.find(isGiven)
    if (name !== undefined)
      throw new TrafficError('BadOption', `option '${name}' of pipeline goes with delivery 'at-least-once'`)
  }
  const idle =
    placement === 'cluster'
      ? undefined
      : (clusterOnly.find(isGiven) ?? (placement === 'local' ? sharedOnly.find(isGiven) : undefined))
  if (idle === undefined) return settings
  const wanted = clusterOnly.some(name => name === idle) ? "'cluster'" : "'node' or 'cluster'"
  throw new TrafficError(
    'BadOption',
    `option '${idle}' of pipeline goes with placement ${wanted}, and here it is '${placement}'`,
  )
}

/** What a pipeline with delivery 'at-least-once' wants of its stream and its acknowledgements. */
export const durableSettings = (settings: PipelineSettings): DurableSettings | undefined =>
  settings.delivery === 'at-least-once'
    ? {
        acknowledge: settings.acknowledge,
        answerWithinMs: settings.answerWithin,
        maxDeliver: settings.maxDeliver,
        streamBytes: settings.streamSize,
        streamAgeMs: settings.streamAge,
        duplicateWindowMs: settings.duplicateWindow,
        replicas: settings.replicas,
      }
    : undefined

/** The number of parts that `shards: 0` means. */
export const shardsOf = ({ shards, delivery }: PipelineSettings): number =>
  shards > 0 ? shards : delivery === 'at-least-once' ? 16 : 256
