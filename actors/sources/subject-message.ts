import { Buffer } from 'node:buffer'
import { Data } from '../../runtime/event.ts'
import type { SubjectMessage } from '../subjects.ts'

/** Head of a message that came over a subject. */
export interface SubjectHead {
  /** The one it was published to, where `subscribe` may have wildcards. */
  subject: string
  /** Where a reply is wanted, if one is. */
  reply: string | undefined
  /** As they were sent: names keep their case. */
  headers: Record<string, string>
}

export const headOf = ({ subject, reply, headers }: SubjectMessage): SubjectHead => ({
  subject,
  reply,
  headers: { ...headers },
})

/** Undefined when it is empty. */
export const bodyOf = ({ payload }: SubjectMessage): Data | undefined =>
  payload.length === 0
    ? undefined
    : Data.over(Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength))
