/** What at-least-once delivery calls its things on the servers. All names of a cluster begin with its own. */

/** The name of a pipeline as one token of subjects, streams and keys, which it may not be: others are written `=xx`. */
export const token = (name: string): string =>
  encodeURIComponent(name).replace(/[%.!~*'()]/g, char =>
    char === '%' ? '=' : `=${char.charCodeAt(0).toString(16).toUpperCase()}`,
  )

const nameOf = (token: string): string | undefined => {
  try {
    return decodeURIComponent(token.replaceAll('=', '%'))
  } catch {
    return undefined
  }
}

/** The stream of a pipeline. */
export const streamOf = (cluster: string, pipeline: string): string =>
  `sluice_${cluster}_d_${token(pipeline)}`

/** Whose stream it is; undefined when it is none of a pipeline. */
export const pipelineOf = (cluster: string, stream: string): string | undefined => {
  const prefix = streamOf(cluster, '')
  return stream.startsWith(prefix) ? nameOf(stream.slice(prefix.length)) : undefined
}

/** What the streams of all pipelines take: asked for, and never published to. */
export const streamsOf = (cluster: string): string => ['sluice', cluster, 'd', '>'].join('.')

/** Where the events of a shard are published. */
export const shardSubject = (cluster: string, pipeline: string, shard: number | ''): string =>
  `sluice.${cluster}.d.${token(pipeline)}.${shard}`

/** What all of those of a pipeline begin with. */
export const shardSubjects = (cluster: string, pipeline: string): string =>
  shardSubject(cluster, pipeline, '')

/** The shard whose events come on a subject of `shardSubject`; undefined when it is none. */
export function shardOf(subject: string): number | undefined {
  const last = subject.slice(subject.lastIndexOf('.') + 1)
  return /^\d{1,5}$/.test(last) ? Number(last) : undefined
}

/** The parts of messages that are larger than one message of the servers may be. */
export const partsStream = (cluster: string): string => `sluice_${cluster}_parts`
export const partsSubject = (cluster: string, pipeline: string): string =>
  `sluice.${cluster}.parts.${token(pipeline)}`

/** Events that were given up, of all pipelines. */
export const deadLetterStream = (cluster: string): string => `sluice_${cluster}_dead`
export const deadLetterSubject = (cluster: string, pipeline: string): string =>
  `sluice.${cluster}.dead.${token(pipeline)}`

/** The bucket that says which thread has which shard. */
export const leaseBucket = (cluster: string): string => `sluice_${cluster}_shards`
export const leaseKey = (pipeline: string, shard: number): string => `${token(pipeline)}.${shard}`

/** Consumers of a shard: one after the other, each with the epoch of the lease that it was made under. */
export const consumerPrefix = (shard: number): string => `s${shard}-`
/** Consumers of one node, where each takes a copy: one after the other, with a number. */
export const copyPrefix = (node: string, shard: number): string => `n-${token(node)}-${shard}_`

/** The shard that a consumer is for; undefined when it is none of Sluice's. */
export function shardOfConsumer(name: string): number | undefined {
  const [, ofLease, ofCopy] = /^s(\d+)-|^n-.*-(\d+)_\d+$/.exec(name) ?? []
  const shard = ofLease ?? ofCopy
  return shard === undefined ? undefined : Number(shard)
}
