import { Buffer } from 'node:buffer'
import { wallMs } from '../../../runtime/clock.ts'
import { TrafficError } from '../../../runtime/errors.ts'
import type { Event } from '../../../runtime/event.ts'
import { turn } from '../../../runtime/turn.ts'
import type { Context } from '../../context.ts'
import type { Pipeline } from '../../pipeline.ts'
import { isThenable } from '../promise.ts'
import { Answer } from './answer.ts'
import type { Comparer, Difference } from './differences.ts'
import { nextEventId } from './event-id.ts'
import { type HeadSnapshot, requestView, snapshotOf } from './head-snapshot.ts'
import { isoTime } from './iso-time.ts'
import type { Outlet } from './outlet.ts'
import { redactURL } from './redact-form.ts'
import { Redaction } from './redaction.ts'

/** Two answers to one request that differ. */
export interface MirrorDifference {
  readonly method: string
  readonly path: string
  readonly differences: readonly Difference[]
  /** 0 when there was no answer. */
  readonly primaryStatus: number
  readonly mirrorStatus: number
}

/** What all comparisons of one place in the script share. */
export interface ComparisonPlan {
  readonly comparer: Comparer
  readonly limitBytes: number
  readonly outlet: Outlet | null
  readonly onDifference: ((difference: MirrorDifference, ctx: Context) => unknown) | undefined
  readonly name: string
}

/**
 * Waits for both answers to one request, and tells when they differ. When one of them does not come because the client
 * left, or the copy was dropped, there is nothing to compare.
 */
export class Comparison {
  readonly primary: Answer
  readonly mirror: Answer
  private readonly plan: ComparisonPlan
  private readonly pipeline: Pipeline
  private readonly request: HeadSnapshot
  private isOver = false

  constructor(plan: ComparisonPlan, pipeline: Pipeline, head: object) {
    this.plan = plan
    this.pipeline = pipeline
    this.request = snapshotOf(head)
    this.primary = new Answer(plan.limitBytes)
    this.mirror = new Answer(plan.limitBytes)
  }

  /** Takes an event of an answer. */
  see(answer: Answer, event: Event): void {
    if (this.isOver || answer.isDone) return
    switch (event.kind) {
      case 0:
        if (answer.hasStarted) answer.add(event)
        return
      case 1:
        if (((event.head as { status?: number }).status ?? 200) >= 200) answer.start(event.head)
        return
      case 2:
        if (answer.hasStarted) this.done(answer)
        return
      case 3:
        // Behind a copy that was dropped there is no answer that could be compared.
        if (event.error === 'BufferOverflow') this.giveUp()
        else if (event.error !== '') {
          answer.error = event.error
          this.done(answer)
        }
        return
      default:
        event satisfies never
    }
  }

  private done(answer: Answer): void {
    answer.isDone = true
    if (!this.primary.isDone || !this.mirror.isDone) return
    this.isOver = true
    // A primary that fails tells nothing of its mirror.
    if (this.primary.error !== '') {
      this.release()
      return
    }
    const { program } = this.pipeline.session
    program.entered(this)
    void this.plan.comparer.compare(this.primary, this.mirror).then(differences => {
      turn.begin(null)
      try {
        if (differences.length > 0) this.tell(differences)
      } finally {
        this.release()
        turn.end()
        program.left(this)
      }
    })
  }

  /** The primary's pipeline has stopped: without its answer there is nothing to compare. */
  primaryStopped(): void {
    if (!this.primary.isDone) this.giveUp()
  }

  private giveUp(): void {
    if (this.isOver) return
    this.isOver = true
    this.release()
  }

  private release(): void {
    this.primary.release()
    this.mirror.release()
  }

  private tell(differences: readonly Difference[]): void {
    const { outlet, onDifference, name } = this.plan
    const { method, path } = requestView(this.request)
    const primaryStatus = this.primary.status
    const mirrorStatus = this.mirror.status
    const difference = { method, path, differences, primaryStatus, mirrorStatus }
    outlet?.write(documentOf(difference), this.pipeline)
    if (onDifference === undefined) return
    try {
      if (isThenable(onDifference(difference, this.pipeline.context)))
        throw new TrafficError('RuntimeError', `onDifference of ${name} must not give a promise`)
    } catch (thrown) {
      this.pipeline.session.program.reportFault(name, TrafficError.from(thrown))
    }
  }
}

const nothingHidden = new Redaction([], [])

/** A difference as a document of the Elastic Common Schema. */
function documentOf(difference: MirrorDifference) {
  const { method, path, differences, primaryStatus, mirrorStatus } = difference
  const id = nextEventId()
  const timeMs = wallMs()
  const original = redactURL(path, nothingHidden)
  const document = {
    '@timestamp': isoTime(timeMs),
    event: {
      id,
      kind: 'event',
      category: ['web'],
      type: ['info'],
      outcome: 'failure',
      dataset: 'sluice.mirror',
    },
    http: { request: { method }, response: { status_code: primaryStatus } },
    url: { original, path: original.split('?')[0] },
    sluice: { mirror: { status_code: mirrorStatus, differences } },
    ecs: { version: '9.0.0' },
  }
  return { id, timeMs, json: Buffer.from(JSON.stringify(document)) }
}
