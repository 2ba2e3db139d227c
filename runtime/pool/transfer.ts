import { type FaultCode, type FaultRecord, faults, isFaultCode, TrafficError } from '../errors.ts'

/**
 * How failures cross threads. `postMessage` keeps an error's message and stack but not its class, `name` or `code`,
 * so a failure is sent as a FaultRecord (plain data) and becomes a TrafficError again on the other side.
 */

/** Any thrown value as plain data; `code` is used when it does not carry one of ours. */
export function toFault(thrown: unknown, code: FaultCode = 'RuntimeError'): FaultRecord {
  return TrafficError.from(thrown, code).toRecord()
}

/** The TrafficError that a FaultRecord was made of; a record with a code unknown here becomes an UnknownError. */
export function fromFault(record: FaultRecord): TrafficError {
  return TrafficError.fromRecord(isFaultCode(record.code) ? record : { ...record, code: 'UnknownError' })
}

/** Why a thread died, in words for its operator: from the error that ended it, or from text that says it already. */
export function describeDeath(thrown: unknown, heapLimitMb: number | undefined): FaultRecord {
  if (!(thrown instanceof Error)) return death(String(thrown), undefined)
  const error = thrown
  const code = 'code' in error ? error.code : undefined
  if (code === 'ERR_WORKER_OUT_OF_MEMORY') {
    const limit = heapLimitMb === undefined ? '' : ` of ${heapLimitMb} MB`
    return death(`it ran out of its heap${limit}`, undefined)
  }
  const exit = /^worker exited with code: (\d+)$/.exec(error.message)
  if (exit) return death(`it exited with code ${exit[1]}`, undefined)
  // The stack of an uncaught error names the script's file and line: it is the most useful thing that is known.
  return death(error.message, error.stack)
}

function death(reason: string, stack: string | undefined): FaultRecord {
  return { code: 'ThreadDied', message: `${faults.ThreadDied.summary}: ${reason}`, stack }
}
