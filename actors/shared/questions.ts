import { after } from '../../runtime/clock.ts'
import { type FaultRecord, TrafficError } from '../../runtime/errors.ts'
import type { WireMessage } from '../kernel/wire.ts'

/** A message that someone wants an answer to. */
export interface Question {
  /** Name of the shared pipeline that is asked. */
  readonly name: string
  readonly key: string
  readonly wire: WireMessage
  readonly deadlineMs: number
}

/** Called once: with the message that the pipeline put out, or with why there is none. */
export type TakeAnswer = (answer: WireMessage | TrafficError) => void

/** What travels between two threads of a node. */
export type QuestionItem =
  | readonly ['question', id: number, name: string, key: string, wire: WireMessage, deadlineMs: number]
  | readonly ['answer', id: number, wire: WireMessage]
  | readonly ['no-answer', id: number, fault: FaultRecord]

interface Open {
  readonly thread: number
  readonly settle: TakeAnswer
}

/** The way to the other threads. */
export interface QuestionRoads {
  /** False when the thread is not there. */
  send(thread: number, item: QuestionItem): boolean
  /** Gives a question to the actor of its key on this thread. */
  answerHere(question: Question, take: TakeAnswer): void
}

/** Questions between the threads of a node: each is answered once, or fails by its deadline. */
export class Questions {
  private readonly roads: QuestionRoads
  private readonly open = new Map<number, Open>()
  private lastId = 0

  constructor(roads: QuestionRoads) {
    this.roads = roads
  }

  ask(thread: number, question: Question, take: TakeAnswer): void {
    const { name, key, wire, deadlineMs } = question
    const id = ++this.lastId
    const settle = withDeadline(question, answer => {
      this.open.delete(id)
      take(answer)
    })
    this.open.set(id, { thread, settle })
    if (!this.roads.send(thread, ['question', id, name, key, wire, deadlineMs]))
      settle(new TrafficError('ThreadDied', `thread ${thread} is not there`))
  }

  /** @param reply sends to whoever asked, if it is still the same */
  receive(item: QuestionItem, reply: (item: QuestionItem) => void): void {
    switch (item[0]) {
      case 'question': {
        const [, id, name, key, wire, deadlineMs] = item
        this.roads.answerHere({ name, key, wire, deadlineMs }, answer =>
          reply(
            answer instanceof TrafficError ? ['no-answer', id, answer.toRecord()] : ['answer', id, answer],
          ),
        )
        return
      }
      case 'answer':
        this.open.get(item[1])?.settle(item[2])
        return
      case 'no-answer':
        this.open.get(item[1])?.settle(TrafficError.fromRecord(item[2]))
    }
  }

  /** A thread has died: what it was asked stays without an answer. */
  lost(thread: number): void {
    const fault = new TrafficError('ThreadDied', `thread ${thread} was asked`)
    for (const each of [...this.open.values()]) if (each.thread === thread) each.settle(fault)
  }
}

/** Passes on the first answer only, or `AskTimeout` when there is none in time. */
export function withDeadline({ name, deadlineMs }: Question, take: TakeAnswer): TakeAnswer {
  let isOpen = true
  const settle: TakeAnswer = answer => {
    if (!isOpen) return
    isOpen = false
    cancel()
    take(answer)
  }
  const cancel = after(deadlineMs, () =>
    settle(new TrafficError('AskTimeout', `pipeline '${name}' did not answer within ${deadlineMs} ms`)),
  )
  return settle
}
