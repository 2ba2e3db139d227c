import type { ClusterReceiver } from '../../actors/shared/cluster-link.ts'
import { type Question, type TakeAnswer, withDeadline } from '../../actors/shared/questions.ts'
import type { SharedPipeline } from '../../actors/shared/shared-pipelines.ts'
import { TrafficError } from '../../runtime/errors.ts'
import type { Logger } from '../../runtime/log.ts'
import type { Bus, BusMessage, Subscription } from '../bus/bus.ts'
import { type Member, type Place, placeId } from '../membership/member.ts'
import type { Placement } from '../placement/placement.ts'
import { decodeAnswer, decodeQuestion, encodeAnswer, encodeQuestion } from './question-frame.ts'

/** Where a thread takes questions of other nodes, in one of its lives. */
export const questionSubject = (cluster: string, place: Omit<Place, 'node'>): string =>
  `sluice.${cluster}.ask.${placeId(place)}`

export interface QuestionsOptions {
  readonly bus: Bus
  readonly cluster: string
  readonly placement: Placement
  readonly log: Logger
  /** Whether this node is the one that we are, and it is in the cluster. */
  readonly isHere: (host: Member) => boolean
}

/** Asks the node of a key, and answers what other nodes ask this thread. */
export class ClusterQuestions {
  private readonly options: QuestionsOptions
  private receiver: ClusterReceiver | undefined
  private listening: Subscription | undefined

  constructor(options: QuestionsOptions) {
    this.options = options
  }

  attach(receiver: ClusterReceiver): void {
    this.receiver = receiver
  }

  /** @param place what this thread is known as from now on; undefined: it is in no cluster */
  listenAs(place: Omit<Place, 'node'> | undefined): void {
    this.listening?.unsubscribe()
    this.listening = undefined
    if (place === undefined) return
    const { bus, cluster } = this.options
    this.listening = bus.subscribe(questionSubject(cluster, place), message => this.hear(message))
  }

  ask(pipeline: SharedPipeline, question: Question, take: TakeAnswer): void {
    const { placement, isHere } = this.options
    const shard = placement.shardOf(pipeline, question.key)
    const owner = placement.ownerOf(pipeline, shard)
    // A node that is cut off, or is not in yet, knows of no host: it asks itself when it can, as it would without a cluster.
    if (owner === undefined ? pipeline.isHosted : isHere(owner))
      this.receiver?.askWithin(pipeline, question, take)
    else if (owner === undefined)
      take(new TrafficError('NoResponder', `no node of the cluster hosts pipeline '${question.name}' now`))
    else void this.send(placement.placeOn(owner, shard), question, withDeadline(question, take))
  }

  private async send(place: Place, question: Question, take: TakeAnswer): Promise<void> {
    const { bus, cluster } = this.options
    const bytes = encodeQuestion(question)
    if (bytes.length > bus.maxPayload) {
      const detail = `a question to '${question.name}' has ${bytes.length} bytes, and NATS takes ${bus.maxPayload}`
      take(new TrafficError('BufferOverflow', detail))
      return
    }
    try {
      const { payload } = await bus.request(questionSubject(cluster, place), bytes, question.deadlineMs)
      take(decodeAnswer(payload))
    } catch (thrown) {
      take(TrafficError.from(thrown, 'ClusterError'))
    }
  }

  private hear({ payload, reply }: BusMessage): void {
    if (reply === undefined) return
    const { bus, log } = this.options
    const answer: TakeAnswer = given => {
      const bytes = encodeAnswer(given)
      if (bytes.length <= bus.maxPayload) bus.publish(reply, bytes)
      else {
        const detail = `the answer has ${bytes.length} bytes, and NATS takes ${bus.maxPayload}`
        bus.publish(reply, encodeAnswer(new TrafficError('BufferOverflow', detail)))
      }
    }
    try {
      this.receiver?.answerHere(decodeQuestion(payload), answer)
    } catch (thrown) {
      const fault = TrafficError.from(thrown, 'ClusterError')
      log.warn(fault.message, { code: fault.code, source: fault.source })
      answer(fault)
    }
  }

  stop(): void {
    this.listening?.unsubscribe()
  }
}
