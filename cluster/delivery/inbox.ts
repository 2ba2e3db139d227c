import type { ClusterReceiver } from '../../actors/shared/cluster-link.ts'
import { after, every, monotonicMs } from '../../runtime/clock.ts'
import { TrafficError } from '../../runtime/errors.ts'
import type { Logger } from '../../runtime/log.ts'
import { turn } from '../../runtime/turn.ts'
import type { Bus } from '../bus/bus.ts'
import { decodeFrame, type Frame, FrameKind } from './frame.ts'
import { IncomingFlow } from './incoming-flow.ts'
import { PartBudget } from './part-assembly.ts'
import { answerSubject } from './subjects.ts'

export interface InboxOptions {
  readonly bus: Bus
  readonly cluster: string
  readonly log: Logger
  readonly maxMessageBytes: (pipeline: string) => number
}

/** A flow that was not used for so long is forgotten: ten times as long as its sender would still use it. */
const forgetMs = 600_000
const sweepMs = 60_000
/** More than a fleet has of threads that send here. What comes from more is refused: each takes memory until it is forgotten. */
const mostFlows = 16_384
/** When this thread leaves: who has sent nothing for so long has nothing more on its way. */
const quietMs = 1000
/** And so long it waits in any case, for what is on the wire already. */
const graceMs = 200
const quietLookMs = 20

/** What other nodes send to this thread. */
export class Inbox {
  private readonly options: InboxOptions
  private readonly flows = new Map<string, IncomingFlow>()
  private readonly budget = new PartBudget()
  private readonly cancelSweep: () => void
  private receiver: ClusterReceiver | undefined
  /** Frames that could not be read. */
  unreadable = 0

  constructor(options: InboxOptions) {
    this.options = options
    this.cancelSweep = every(sweepMs, () => this.sweep())
  }

  attach(receiver: ClusterReceiver): void {
    this.receiver = receiver
  }

  receive(payload: Uint8Array): void {
    let frame: Frame
    try {
      frame = decodeFrame(payload)
    } catch (thrown) {
      this.refuse(TrafficError.from(thrown, 'ClusterError'))
      return
    }
    turn.begin(null)
    try {
      this.take(frame)
    } finally {
      turn.end()
    }
  }

  private take(frame: Frame): void {
    switch (frame[0]) {
      case FrameKind.messages:
        this.flow(frame[1], frame[2])?.take(frame[3], frame[4])
        return
      case FrameKind.part:
        this.flow(frame[1], frame[2])?.takePart(frame[3], frame[4], frame[5], frame[6], frame[7])
        return
      case FrameKind.bye:
        this.flows.get(`${frame[1]}/${frame[2]}`)?.close()
        return
      case FrameKind.credit:
        return
    }
  }

  private flow(sender: string, number: number): IncomingFlow | undefined {
    const id = `${sender}/${number}`
    let flow = this.flows.get(id)
    if (flow === undefined) {
      const { receiver } = this
      if (receiver === undefined) return undefined
      if (this.flows.size >= mostFlows) {
        this.refuse(
          new TrafficError('ClusterError', `a frame of another sender than the ${mostFlows} there are`),
        )
        return undefined
      }
      const { bus, cluster } = this.options
      const subject = answerSubject(cluster, sender)
      flow = new IncomingFlow(number, {
        take: (name, key, wire, outcome) => receiver.take(name, key, wire, outcome),
        budget: this.budget,
        maxMessageBytes: this.options.maxMessageBytes,
        answer: frame => bus.publish(subject, frame),
      })
      this.flows.set(id, flow)
    }
    return flow
  }

  private refuse(fault: TrafficError): void {
    this.unreadable++
    this.options.log.error(fault.message, { code: fault.code, source: fault.source })
  }

  private sweep(): void {
    const nowMs = monotonicMs()
    for (const [id, flow] of this.flows)
      if (flow.isDone && nowMs - flow.usedMs > forgetMs) {
        // What it held for a message whose last part never came.
        flow.close()
        this.flows.delete(id)
      }
  }

  /** Resolves when nobody has anything on its way to here any more, or at the limit. To be called when all know that we go. */
  async quiet(limitMs: number): Promise<void> {
    const startedMs = monotonicMs()
    const isQuiet = (): boolean => {
      const nowMs = monotonicMs()
      if (nowMs - startedMs < Math.min(graceMs, limitMs)) return false
      return [...this.flows.values()].every(
        flow => flow.isClosed || (flow.isDone && nowMs - flow.usedMs > quietMs),
      )
    }
    while (!isQuiet() && monotonicMs() - startedMs < limitMs)
      await new Promise<void>(resolve => after(quietLookMs, resolve))
  }

  stop(): void {
    this.cancelSweep()
    this.flows.clear()
  }
}
