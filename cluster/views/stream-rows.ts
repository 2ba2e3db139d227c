import type { Bus } from '../bus/bus.ts'
import { pipelineOf, shardOf, shardOfConsumer, streamsOf } from '../durable/names.ts'
import { duration, table } from './table.ts'

/** The stream of a pipeline with `delivery: 'at-least-once'`: what of its events is not done. */
export interface StreamRow {
  readonly pipeline: string
  readonly stream: string
  /** Messages of the stream; each has up to some hundred events. */
  readonly batches: number
  readonly bytes: number
  /** Age of the oldest of them; undefined when there is none. */
  readonly oldestSeconds: number | undefined
  /** Batches in shards that no thread takes from now. */
  readonly unserved: number
}

/** The streams of a cluster, from NATS alone: also when no node is alive, and those of pipelines that there are no more. */
export async function readStreams(bus: Bus, cluster: string, nowMs: number): Promise<StreamRow[]> {
  const names = [...(await bus.streams.names(streamsOf(cluster)))].sort()
  const rows = await Promise.all(names.map(name => readStream(bus, cluster, name, nowMs)))
  return rows.filter(row => row !== undefined)
}

async function readStream(
  { streams }: Bus,
  cluster: string,
  stream: string,
  nowMs: number,
): Promise<StreamRow | undefined> {
  const pipeline = pipelineOf(cluster, stream)
  const [info, waiting] = await Promise.all([streams.info(stream), streams.waiting(stream)])
  if (pipeline === undefined || info === undefined || waiting === undefined) return undefined
  const { messages: batches, bytes, firstSequence, consumers } = info
  const oldest = batches === 0 ? undefined : await streams.get(stream, firstSequence)
  const served = new Set(consumers.filter(({ isTaken }) => isTaken).map(({ name }) => shardOfConsumer(name)))
  const unserved = [...waiting].reduce(
    (sum, [subject, count]) => (served.has(shardOf(subject)) ? sum : sum + count),
    0,
  )
  const oldestSeconds = oldest && Math.max(0, Math.round((nowMs - oldest.timeMs) / 1000))
  return { pipeline, stream, batches, bytes, oldestSeconds, unserved }
}

export function showStreams(rows: readonly StreamRow[]): string {
  if (rows.length === 0) return 'There is no stream: nothing was sent at least once.\n'
  const text = table<StreamRow>(
    [
      { title: 'PIPELINE', value: ({ pipeline }) => pipeline },
      { title: 'BATCHES', value: ({ batches }) => batches },
      { title: 'BYTES', value: ({ bytes }) => bytes },
      {
        title: 'OLDEST',
        value: ({ oldestSeconds }) => (oldestSeconds === undefined ? '-' : duration(oldestSeconds)),
      },
      { title: 'UNSERVED', value: ({ unserved }) => unserved },
    ],
    rows,
  )
  const left = rows.filter(({ unserved }) => unserved > 0).map(({ pipeline }) => `'${pipeline}'`)
  if (left.length === 0) return text
  return `${text}Nobody takes what is unserved of ${left.join(', ')}: it waits for a node that hosts a pipeline of that name with delivery 'at-least-once', until it is too old.\n`
}
