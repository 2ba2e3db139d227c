import type { SharedPipeline } from '../../actors/shared/shared-pipelines.ts'
import type { Bus, StreamOptions } from '../bus/bus.ts'
import { deadLetterStream, partsStream, streamOf, token } from './names.ts'

/**
 * Dead letters are looked at by people, who have a month for it. A full stream takes no more: then what cannot be done
 * waits where it is, since nothing is given up without a trace. Servers set the bytes of a stream aside, hence not more.
 */
const deadLetterLimits = { maxBytes: 64 * 1024 * 1024, maxAgeMs: 30 * 86_400_000 } as const

/** Whoever gets an answer late sends again at once, so what is remembered of these two streams may be short. */
const shortWindowMs = 120_000

/** The stream that keeps a pipeline's events until they are done. */
export function pipelineStream(cluster: string, pipeline: SharedPipeline, bus: Bus): StreamOptions {
  const { name, fanout, durable } = pipeline
  if (durable === undefined) throw new Error(`pipeline '${name}' has no stream`)
  return {
    name: streamOf(cluster, name),
    subjects: [`sluice.${cluster}.d.${token(name)}.*`],
    // For one host a message goes when it is done; for all of them, when all have done it.
    retention: fanout === 'one' ? 'work' : 'interest',
    maxBytes: durable.streamBytes,
    maxAgeMs: durable.streamAgeMs,
    duplicateWindowMs: Math.min(durable.duplicateWindowMs, durable.streamAgeMs),
    replicas: durable.replicas === 0 ? bus.replicas : durable.replicas,
    storage: 'file',
  }
}

/**
 * The stream of the parts of large messages, which nobody consumes: hosts read them by their sequence, and delete them
 * when the message is done. What a sender that died has left goes with its age.
 */
export const partsStreamOptions = (cluster: string, bus: Bus): StreamOptions => ({
  name: partsStream(cluster),
  subjects: [`sluice.${cluster}.parts.*`],
  retention: 'limits',
  maxBytes: 256 * 1024 * 1024,
  maxAgeMs: 7 * 86_400_000,
  duplicateWindowMs: shortWindowMs,
  replicas: bus.replicas,
  storage: 'file',
})

export const deadLetterStreamOptions = (cluster: string, bus: Bus): StreamOptions => ({
  name: deadLetterStream(cluster),
  subjects: [`sluice.${cluster}.dead.*`],
  retention: 'limits',
  ...deadLetterLimits,
  duplicateWindowMs: shortWindowMs,
  replicas: bus.replicas,
  storage: 'file',
})
