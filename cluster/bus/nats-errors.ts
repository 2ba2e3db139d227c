import { JetStreamApiError } from '@nats-io/jetstream'
import { NoRespondersError, RequestError, TimeoutError } from '@nats-io/transport-node'
import { type FaultCode, TrafficError } from '../../runtime/errors.ts'

/** Codes of JetStream's answers (`err_code`), as the server's errors.json numbers them. */
export const streamCodes = {
  consumerNotFound: 10014,
  insufficientResources: 10023,
  insufficientStorage: 10047,
  streamNotFound: 10059,
  streamNameInUse: 10058,
  streamCannotChange: 10052,
  wrongLastSequence: 10071,
  noSuitablePeers: 10005,
  storeFailed: 10077,
  consumerNameExists: 10013,
  consumerExists: 10105,
  consumerExistsOtherwise: 10148,
} as const

export const streamCode = (thrown: unknown): number | undefined =>
  thrown instanceof JetStreamApiError ? thrown.code : undefined

/** What a call to NATS failed with, as one of ours. */
export function busError(thrown: unknown, doing: string): TrafficError {
  if (thrown instanceof TrafficError) return thrown
  const text = isSilent(thrown)
    ? 'no stream takes it'
    : withoutInbox(thrown instanceof Error ? thrown.message : String(thrown))
  return new TrafficError(codeOf(thrown, text), `${doing}: ${text}`, thrown)
}

/** The same of a call to JetStream's own subjects: where nobody listens to those there is none. */
export function managementError(thrown: unknown, doing: string): TrafficError {
  if (!isSilent(thrown)) return busError(thrown, doing)
  const cure = 'JetStream is not enabled: start nats-server with -js, or enable it for the account'
  return new TrafficError('ClusterError', `${doing}: ${cure}`, thrown)
}

/** Each call has an inbox of its own, so that no two errors would be the same. */
export const withoutInbox = (text: string): string => text.replace(/_INBOX\.[\w.*-]+/g, '_INBOX.>')

/** How the JetStream client says that nobody answers. */
const isSilent = (thrown: unknown): boolean =>
  thrown instanceof Error && thrown.name === 'JetStreamNotEnabled'

export const notConnected = (doing: string): TrafficError =>
  new TrafficError('ClusterError', `${doing}: there is no connection to NATS`)

function codeOf(thrown: unknown, text: string): FaultCode {
  if (thrown instanceof TimeoutError) return 'AskTimeout'
  if (thrown instanceof NoRespondersError) return 'NoResponder'
  if (thrown instanceof RequestError && thrown.isNoResponders()) return 'NoResponder'
  if (isSilent(thrown)) return 'NoResponder'
  const code = streamCode(thrown)
  // One code stands for all that the store refuses; only its text says that a limit is why.
  if (code === streamCodes.storeFailed && /maximum (messages|bytes)/.test(text)) return 'StreamFull'
  if (code === streamCodes.insufficientResources || code === streamCodes.insufficientStorage)
    return 'StreamFull'
  return 'ClusterError'
}
