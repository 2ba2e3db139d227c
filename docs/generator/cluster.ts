import { questionSubject } from '../../cluster/asking/cluster-questions.ts'
import { questionVersion } from '../../cluster/asking/question-frame.ts'
import type { StreamOptions } from '../../cluster/bus/bus.ts'
import { FrameKind, frameVersion } from '../../cluster/delivery/frame.ts'
import { answerSubject, kernelSubject, threadSubject } from '../../cluster/delivery/subjects.ts'
import { batchVersion } from '../../cluster/durable/batch.ts'
import {
  consumerPrefix,
  copyPrefix,
  deadLetterStream,
  deadLetterSubject,
  leaseBucket,
  leaseKey,
  partsStream,
  partsSubject,
  shardSubject,
  streamOf,
} from '../../cluster/durable/names.ts'
import { deadLetterStreamOptions, partsStreamOptions } from '../../cluster/durable/stream-setup.ts'
import { letterVersion } from '../../cluster/kernels/reliable-link.ts'
import { memberBucket, placeId, wireVersions } from '../../cluster/membership/member.ts'
import { quotaBucket } from '../../cluster/quota/lessor.ts'
import { serviceName, serviceSubjects } from '../../cluster/views/service-info.ts'
import { viewSubject, viewVersion } from '../../cluster/views/view-messages.ts'
import { name, page, table } from './markdown.ts'

/** What stands for a name that the reader has; made of letters so that the functions that make names let it pass. */
const cluster = 'CLUSTER'
const pipeline = 'PIPELINE'
const place = { incarnation: 'INCARNATION', thread: 'THREAD' as never, life: 'LIFE' as never }
const shard = 'SHARD' as never

type Row = readonly [string, string, string]

export const subjects: readonly Row[] = [
  [
    threadSubject(cluster, place),
    'node → node',
    'Frames of messages to pipelines with `delivery: at-most-once`, for one thread of a node in one of its lives.',
  ],
  [answerSubject(cluster, 'SENDER'), 'node → node', 'Credit: what became of what a thread has sent.'],
  [
    kernelSubject(cluster, placeId(place)),
    'node → node',
    'What the kernels of threads say to each other of named actors: find, tell, ask, watch, stop.',
  ],
  [
    questionSubject(cluster, place),
    'node → node, with a reply',
    'Questions of the filter `ask`, and the answers.',
  ],
  [
    shardSubject(cluster, pipeline, shard),
    'node → stream',
    'Batches of events to a pipeline with `delivery: at-least-once`.',
  ],
  [
    partsSubject(cluster, pipeline),
    'node → stream',
    'Parts of messages that are larger than one message of NATS may be.',
  ],
  [deadLetterSubject(cluster, pipeline), 'node → stream', 'Events that were given up.'],
  [
    viewSubject(cluster),
    'anyone → all nodes, with a reply',
    `What \`sluice nodes\`, \`actors\` and \`edges\` ask: JSON like \`{"view":"nodes"}\`. Answers have \`version\` ${viewVersion}.`,
  ],
  ...serviceSubjects(serviceName(cluster), 'NODE').map(
    (subject): Row => [
      subject,
      'anyone → nodes, with a reply',
      "Discovery by NATS's own tools, as of its services (ADR-32).",
    ],
  ),
]

const bounded = { replicas: 1 } as never
const describe = ({ retention, maxBytes, maxAgeMs }: StreamOptions): string =>
  `retention \`${retention}\`, at most ${maxBytes / 1024 ** 2} MiB, for ${maxAgeMs / 86_400_000} days`

export const streams: readonly Row[] = [
  [
    streamOf(cluster, pipeline),
    `retention \`work\`, or \`interest\` with \`fanout: all\`; limits by the options of the pipeline`,
    'The events of a pipeline, until they are done.',
  ],
  [
    partsStream(cluster),
    describe(partsStreamOptions(cluster, bounded)),
    'Parts of large messages; their host deletes them when the message is done.',
  ],
  [
    deadLetterStream(cluster),
    describe(deadLetterStreamOptions(cluster, bounded)),
    'Dead letters, for `sluice dead-letters`.',
  ],
]

export const buckets: readonly Row[] = [
  [
    memberBucket(cluster),
    'name of a node',
    'Who is alive: an entry per node, in JSON, written at every heartbeat.',
  ],
  [leaseBucket(cluster), leaseKey(pipeline, shard), 'Which thread consumes a shard of a pipeline.'],
  [quotaBucket(cluster), 'name of a quota', 'Tokens that nobody has leased, of quotas with `cluster`.'],
]

/** What a node publishes and subscribes to; a wildcard of NATS is a whole part, so each bucket is named. */
const permissions = [
  `sluice.${cluster}.>`,
  '_INBOX.>',
  '$SRV.>',
  '$JS.API.>',
  '$JS.ACK.>',
  ...buckets.map(([bucket]) => `$KV.${bucket}.>`),
]

const consumers: readonly (readonly [string, string])[] = [
  [
    `${consumerPrefix(shard)}EPOCH`,
    'Of a shard, for the thread that has its lease; each lease has its own epoch.',
  ],
  [
    `${copyPrefix('NODE', shard)}NUMBER`,
    'Of a shard and node, where `fanout: all` gives each node a copy. Each takes the place of the one before.',
  ],
]

const headers: readonly (readonly [string, string, string])[] = [
  ['Nats-Msg-Id', 'to streams', 'Id of a batch: what is sent again is stored once.'],
  [
    'Nats-Service-Error, Nats-Service-Error-Code',
    'replies of `subscribe`',
    'Why a request has no answer, and the HTTP status of that fault.',
  ],
  [
    'traceparent, tracestate',
    '`publish`, `subscribe`',
    'Where in a trace the message stands (W3C), when tracing is on. Frames, batches and questions have it in each message.',
  ],
  [
    '(those of the message)',
    '`publish`, and replies of `subscribe`',
    "The fields of the head's `headers`, but those of one connection. Names are as they were written.",
  ],
]

const frameFields: Readonly<Record<keyof typeof FrameKind, string>> = {
  messages:
    '`[kind, sender, flow, [[lane, pipeline, messages before, bytes before]…], [[lane, key, message]…]]`; without messages it asks for credit',
  part: '`[kind, sender, flow, [lane, pipeline, messages before, bytes before], part, parts, size, bytes]`',
  credit:
    '`[kind, flow, [[lane, delivered, dead-lettered, lost, bytes, settled through]…]]`, all counted from the beginning of the flow',
  bye: '`[kind, sender, flow]`: the flow is not used again',
}

const named = (rows: readonly (readonly string[])[]): (readonly string[])[] =>
  rows.map(([first, ...rest]) => [name(first as string), ...rest])

export function clusterPage(): string {
  return page(
    'What a cluster has on NATS',
    'For whoever sets permissions, sizes streams, or looks at a cluster with the tools of NATS. `CLUSTER` is what `--cluster` says. Characters of names of pipelines that subjects cannot have are written `=XX` (hex). Everything begins with the name of the cluster, so that several share one NATS.',
    '## Subjects',
    table(['subject', 'who to whom', 'what'], named(subjects)),
    `\`INCARNATION\` is one life of a node, \`LIFE\` one of a thread: what is sent to one that is gone reaches nobody. Permissions for a node: ${permissions.map(name).join(', ')}, and what its script subscribes and publishes to.`,
    '## Streams',
    table(['stream', 'settings', 'what'], named(streams)),
    'Consumers of the stream of a pipeline:',
    table(['consumer', 'what'], named(consumers)),
    '## Buckets',
    table(['bucket', 'key', 'what'], named(buckets)),
    'A bucket is the stream `KV_` and its name. Entries of nodes are read as JSON by `nats kv get`; so are quotas.',
    '## Headers',
    table(['header', 'where', 'what'], named(headers)),
    '## Wire format',
    `Each message begins with a byte that says its version; then comes msgpack (with msgpackr's records, where the table says so). A node that gets a version that it does not know says so in its log (\`WireVersion\`) and takes nothing of it; nodes tell each other the versions that they read (now ${wireVersions.join(', ')}), and send to none that reads no version of theirs.`,
    table(
      ['what', 'version', 'records', 'content'],
      [
        ...Object.entries(FrameKind).map(([kind, number]) => [
          `frame \`${kind}\` (kind ${number})`,
          String(frameVersion),
          'yes',
          frameFields[kind as keyof typeof FrameKind],
        ]),
        [
          'letter of kernels',
          String(letterVersion),
          'yes',
          '`[from, link, number of the first item, items, link of the other end, taken so far]`',
        ],
        ['batch of a stream', String(batchVersion), 'yes', '`[id, [[key, message, id?, parts?]…]]`'],
        ['question of `ask`', String(questionVersion), 'no', '`[pipeline, key, message, deadline in ms]`'],
        ['answer to `ask`', String(questionVersion), 'no', '`[0, message]` or `[1, { code, message }]`'],
      ],
    ),
    'A message is `[head, body, tail, payload, trace?]`: plain data, the body as bytes or nil, the trace as `[traceparent, tracestate, sent at]`. A head of HTTP/1 that nobody has changed is a text: its start line and fields as they were received, each ended by CRLF, without those of the connection; its receiver reads it. A head that is itself a text has a space in front.',
  )
}
