import type { MessagePort, Transferable } from 'node:worker_threads'
import { after } from '../runtime/clock.ts'
import { type FaultRecord, TrafficError } from '../runtime/errors.ts'
import { fromFault, toFault } from '../runtime/pool/transfer.ts'

/**
 * A conversation over a MessagePort, the same at both ends: notes, which nobody answers, and requests, each answered
 * once or failed by its deadline. The kinds of notes and requests are in `protocol.ts`.
 */
export interface DialogueHandlers<Note, Request> {
  note(note: Note): void
  /** The answer to the other end's request; what it throws fails the request there. */
  request(request: Request): unknown
}

type Envelope<Note, Request> =
  | { readonly type: 'note'; readonly note: Note }
  | { readonly type: 'request'; readonly id: number; readonly request: Request }
  | { readonly type: 'reply'; readonly id: number; readonly value: unknown }
  | { readonly type: 'failure'; readonly id: number; readonly fault: FaultRecord }

interface Pending {
  readonly resolve: (value: never) => void
  readonly reject: (error: TrafficError) => void
  readonly cancelDeadline: () => void
}

/** `Out…` and `In…` tell what this end says and hears: notes, and requests with their answers. */
export class Dialogue<OutNote, OutRequest, InNote, InRequest> {
  private readonly port: MessagePort
  private readonly pending = new Map<number, Pending>()
  private lastId = 0
  private isClosed = false

  constructor(port: MessagePort, handlers: DialogueHandlers<InNote, InRequest>) {
    this.port = port
    port.on('message', (envelope: Envelope<InNote, InRequest>) => {
      if (envelope.type === 'note') handlers.note(envelope.note)
      else if (envelope.type === 'request') void this.answer(envelope.id, envelope.request, handlers)
      else this.settle(envelope)
    })
  }

  tell(note: OutNote, transfer: readonly Transferable[] = []): void {
    if (!this.isClosed) this.post({ type: 'note', note }, transfer)
  }

  /** Rejects with `AskTimeout` at the deadline, and with the reason of `close` when the other end goes before. */
  ask<Answer>(request: OutRequest, deadlineMs: number): Promise<Answer> {
    if (this.isClosed) return Promise.reject(new TrafficError('ThreadDied', 'it is gone already'))
    const id = ++this.lastId
    const { promise, resolve, reject } = Promise.withResolvers<Answer>()
    const cancelDeadline = after(deadlineMs, () => {
      this.pending.delete(id)
      reject(new TrafficError('AskTimeout', `no reply after ${deadlineMs} ms`))
    })
    this.pending.set(id, { resolve: resolve as (value: never) => void, reject, cancelDeadline })
    this.post({ type: 'request', id, request }, [])
    return promise
  }

  /** The other end is gone: everything asked fails. */
  close(reason: TrafficError): void {
    this.isClosed = true
    for (const { reject, cancelDeadline } of this.pending.values()) {
      cancelDeadline()
      reject(reason)
    }
    this.pending.clear()
  }

  private settle(envelope: Envelope<never, never> & { type: 'reply' | 'failure' }): void {
    const pending = this.pending.get(envelope.id)
    if (pending === undefined) return
    this.pending.delete(envelope.id)
    pending.cancelDeadline()
    if (envelope.type === 'reply') pending.resolve(envelope.value as never)
    else pending.reject(fromFault(envelope.fault))
  }

  private async answer(
    id: number,
    request: InRequest,
    handlers: DialogueHandlers<InNote, InRequest>,
  ): Promise<void> {
    try {
      const value = await handlers.request(request)
      if (!this.isClosed) this.post({ type: 'reply', id, value }, [])
    } catch (error) {
      if (!this.isClosed) this.post({ type: 'failure', id, fault: toFault(error, 'UnknownError') }, [])
    }
  }

  private post(envelope: Envelope<OutNote, OutRequest>, transfer: readonly Transferable[]): void {
    this.port.postMessage(envelope, transfer)
  }
}
