import { TrafficError } from '../../runtime/errors.ts'
import type { Message, StreamEnd } from '../../runtime/event.ts'
import type { Session } from '../session.ts'

/** Why an actor could not do what it was given. */
export interface Failure {
  readonly fault: TrafficError
  /**
   * What is behind the pipeline does not answer, or says that it cannot at the moment: nothing is wrong with the
   * message, so it is not to blame however often it is tried.
   */
  readonly isUnavailable: boolean
}

/**
 * A message for a shared actor that someone wants to be done. Exactly one of `done`, `returned`, or a `failed` that
 * gives undefined is the last that it is told; `message` giving undefined ends it as well.
 */
export interface Work {
  /** False: done when the actor has taken it. True: when the pipeline has put out a message for it. */
  readonly awaitsOutput: boolean
  /** What `failed` says is all the rest that the actor takes when it fails on this; else its own back-off counts, too. */
  readonly isPaced: boolean
  /** A fresh copy for each try, since filters may change what they get. Undefined: nobody wants it any more. */
  message(): Message | undefined
  /** Gives the message by a way of its own, within the actor's session; without it, it goes into the actor's stream. */
  enter?(message: Message, session: Session): void
  done(): void
  /** Gives the milliseconds after which it is tried again, or undefined when that was the last try. */
  failed(failure: Failure): number | undefined
  /** The actor ends before it could be done: it may be done elsewhere. */
  returned(): void
}

/** What came of a message: called once, when the actor has processed it or never will. */
export type Outcome = (isDelivered: boolean) => void

/** A message that is given once, whatever comes of it. */
export class Once implements Work {
  readonly awaitsOutput = false
  readonly isPaced = false
  private readonly content: Message
  private readonly outcome: Outcome

  constructor(content: Message, outcome: Outcome) {
    this.content = content
    this.outcome = outcome
  }

  message(): Message {
    return this.content
  }

  done(): void {
    this.outcome(true)
  }

  /** It was processed, and that it failed is told by the actor's own dead letter. */
  failed(): undefined {
    this.outcome(true)
  }

  returned(): void {
    this.outcome(false)
  }
}

/** Statuses that say: not now. 500 is not among them, since it may well be for this message alone. */
const busyStatuses: ReadonlySet<number> = new Set([408, 425, 429, 502, 503, 504])

/**
 * What a message that a pipeline puts out says of the one that it answers: nothing is wrong, or a failure. A status is one
 * from 400 on, except 409: there already, which is what comes of storing a thing twice under one id; and except what a sink
 * has put aside, with the reason, where its dead letters go: it is accounted for, and must not be put aside once more.
 */
export function failureOf(head: object): Failure | undefined {
  const { status, reason, statusText, isPutAside } = head as Record<string, unknown>
  if (typeof status !== 'number' || status < 400 || status === 409 || isPutAside === true) return undefined
  const why = [reason, statusText].find(each => typeof each === 'string' && each !== '')
  const detail = why === undefined ? `status ${status}` : `status ${status}, ${why}`
  return { fault: new TrafficError('NotTaken', detail), isUnavailable: busyStatuses.has(status) }
}

/** What the end of a pipeline's stream with an error says. */
export function failureOfEnd({ fault, error }: StreamEnd): Failure {
  const cause = fault ?? new TrafficError(error === '' ? 'UnknownError' : error)
  return { fault: cause, isUnavailable: cause.source === 'upstream' && cause.retry !== 'never' }
}
