import { reasonOf } from '../../../runtime/codec/http1/index.ts'
import { type FaultCode, faults } from '../../../runtime/errors.ts'
import { Message, type StreamEnd } from '../../../runtime/event.ts'

/**
 * The response of the proxy itself to a request that failed: one place for all of them. `Proxy-Status` (RFC 9209)
 * tells the client that the proxy answered, and why. Addresses and causes are for the log, not for strangers.
 */
export function faultReply(status: number, code: FaultCode, reason: string): Message {
  const details = reason.replace(/[\\"]/g, '\\$&')
  return new Message(
    {
      status,
      headers: {
        'content-type': 'text/plain; charset=utf-8',
        'proxy-status': `sluice; error=${faults[code].proxyError}; details="${details}"`,
      },
    },
    `${status} ${reasonOf(status)}: ${reason}\n`,
  )
}

/** The response for a stream that ended instead of answering. */
export function replyToStreamEnd(end: StreamEnd): Message {
  if (end.error === '') return faultReply(502, 'UnknownError', 'The connection ended without a response')
  const { status, summary } = faults[end.error]
  return faultReply(status, end.error, summary)
}
