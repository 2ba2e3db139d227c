import { Packr } from 'msgpackr'
import type { WireMessage } from '../../actors/kernel/wire.ts'
import { isWireMessage } from '../../actors/kernel/wire-check.ts'
import type { Question } from '../../actors/shared/questions.ts'
import { type FaultRecord, isFaultCode, TrafficError } from '../../runtime/errors.ts'

/**
 * Questions and answers between nodes: one byte for the version, then msgpack.
 *
 *     question   [name, key, [head, body, tail, payload, trace?], deadlineMs]
 *     answer     [0, [head, body, tail, payload, trace?]]     or     [1, { code, message }]
 */
export const questionVersion = 1

const packr = new Packr({ useRecords: false, moreTypes: false, encodeUndefinedAsNil: false })

function frame(content: unknown): Uint8Array {
  const packed = packr.pack(content)
  const bytes = new Uint8Array(packed.length + 1)
  bytes[0] = questionVersion
  bytes.set(packed, 1)
  return bytes
}

/** @throws TrafficError `WireVersion` for a version that this program does not know, `ClusterError` for what is no frame. */
function contentOf(bytes: Uint8Array): unknown[] {
  if (bytes[0] !== questionVersion)
    throw new TrafficError(
      'WireVersion',
      `a question or answer of version ${bytes[0]} came, and this node knows ${questionVersion}`,
    )
  try {
    const content: unknown = packr.unpack(bytes.subarray(1))
    if (Array.isArray(content)) return content
  } catch (thrown) {
    throw new TrafficError('ClusterError', 'a question or answer came that cannot be read', thrown)
  }
  throw new TrafficError('ClusterError', 'a question or answer came that is none')
}

export const encodeQuestion = ({ name, key, wire, deadlineMs }: Question): Uint8Array =>
  frame([name, key, wire, deadlineMs])

export function decodeQuestion(bytes: Uint8Array): Question {
  const [name, key, wire, deadlineMs] = contentOf(bytes)
  if (typeof name !== 'string' || typeof key !== 'string' || typeof deadlineMs !== 'number')
    throw new TrafficError('ClusterError', 'a question came that is none')
  return { name, key, wire: wireOf(wire), deadlineMs }
}

/** The stack stays where it is of use. */
export function encodeAnswer(answer: WireMessage | TrafficError): Uint8Array {
  if (!(answer instanceof TrafficError)) return frame([0, answer])
  const { code, message } = answer.toRecord()
  return frame([1, { code, message }])
}

export function decodeAnswer(bytes: Uint8Array): WireMessage | TrafficError {
  const [kind, content] = contentOf(bytes)
  return kind === 0 ? wireOf(content) : faultOf(content)
}

/** A code that only a newer version has is an error all the same. */
function faultOf(content: unknown): TrafficError {
  const { code, message } = (content ?? {}) as Partial<Record<keyof FaultRecord, unknown>>
  if (typeof code !== 'string' || typeof message !== 'string')
    throw new TrafficError('ClusterError', 'an answer came that is none')
  return TrafficError.fromRecord({ code: isFaultCode(code) ? code : 'UnknownError', message })
}

function wireOf(value: unknown): WireMessage {
  if (!isWireMessage(value)) throw new TrafficError('ClusterError', 'a message came that is none')
  return value
}
