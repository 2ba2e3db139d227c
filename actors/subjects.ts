import { TrafficError } from '../runtime/errors.ts'
import { show } from '../runtime/options.ts'

/**
 * Subjects that carry bytes between programs, Sluice or not, as sources and filters see them: the part of the
 * cluster's bus that this floor may know. Delivery is at most once, and says nothing of loss.
 */
export interface Subjects {
  /** Bytes that one message may have, headers included. */
  readonly maxPayload: number
  readonly isConnected: boolean
  /** Tells each change of the connection. Returns a function that ends it. */
  onState(listener: (state: 'connected' | 'disconnected' | 'closed') => void): () => void
  /** Sends at once, or not at all: false while there is no connection, or too much waits to be written. */
  publish(subject: string, payload: Uint8Array, options?: SubjectOptions): boolean
  /** @param group of the subscribers with the same group, one gets each message */
  subscribe(subject: string, handler: (message: SubjectMessage) => void, group?: string): SubjectSubscription
}

export interface SubjectSubscription {
  /** No more messages from now on, those neither that the server has sent already. */
  unsubscribe(): void
  /** No new messages; resolves when those have come that the server had sent. */
  drain?(): Promise<void>
}

export interface SubjectOptions {
  readonly reply?: string | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
}

export interface SubjectMessage {
  readonly subject: string
  readonly payload: Uint8Array
  readonly reply: string | undefined
  readonly headers: Readonly<Record<string, string>> | undefined
}

/** The subjects of a cluster, and its name. */
export interface SubjectSpace {
  readonly subjects: Subjects
  readonly cluster: string
}

/** Longer ones are refused by servers with the usual limits, which cuts the connection of the whole thread. */
const maxSubjectLength = 512

/** Sluice's own subjects begin with this; `$` is NATS's own. What is sent there by hand could pass for the cluster's. */
const reserved = /^(?:\$|_INBOX\.|sluice\.)/

const hasBadCharacter = /[^\x21-\x7e\u0080-\uffff]/

/** What is wrong with a subject to publish to; undefined when nothing is. */
export function faultOfSubject(subject: unknown): string | undefined {
  if (typeof subject !== 'string' || subject === '') return `a subject is text, and this is ${show(subject)}`
  if (subject.length > maxSubjectLength)
    return `subject ${show(subject)} is longer than ${maxSubjectLength} characters`
  if (hasBadCharacter.test(subject))
    return `subject ${show(subject)} has a space or a control character in it`
  if (subject.split('.').includes(''))
    return `subject ${show(subject)} has an empty part between its dots, at its beginning or at its end`
  if (subject.split('.').some(part => part === '*' || part === '>'))
    return `subject ${show(subject)} has a wildcard in it, which is for subscribing`
  if (reserved.test(subject))
    return `subject ${show(subject)} is one of NATS or of Sluice itself, which begin with '$', '_INBOX.' and 'sluice.'`
  return undefined
}

/** What is wrong with a subject to subscribe to, which may have wildcards; undefined when nothing is. */
export function faultOfPattern(pattern: unknown): string | undefined {
  if (typeof pattern !== 'string') return faultOfSubject(pattern)
  const parts = pattern.split('.')
  const misplaced = parts.slice(0, -1).includes('>')
  if (misplaced) return `subject ${show(pattern)} has '>' in the middle; it stands for all that follows`
  // Reading along is harmless, but for everything at once, which holds what Sluice's nodes say to each other.
  if (parts.every(part => part === '*' || part === '>') && parts.at(-1) === '>')
    return `subject ${show(pattern)} takes everything, what the nodes of the cluster say to each other too; name a part of it, as in 'orders.>'`
  return faultOfSubject(parts.map(part => (part === '*' || part === '>' ? 'any' : part)).join('.'))
}

/** What a script needs that sends to subjects, or listens to them, when the process is in no cluster. */
export const noSubjects = (place: string): TrafficError =>
  new TrafficError(
    'ClusterError',
    `${place} wants NATS, and this process is in no cluster; start it with --nats=nats://127.0.0.1:4222`,
  )
