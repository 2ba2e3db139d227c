/**
 * What a cluster stands on, as little of it as Sluice needs: subjects that carry bytes, buckets that nodes agree on, and
 * streams that keep what was sent. NATS is the one in production (`nats-bus.ts`); the tests have one in memory, which
 * drops, delays, repeats and parts as its seed says.
 *
 * Delivery on subjects is at most once and says nothing of loss: who needs to know counts (`cluster/delivery/`).
 */
export interface Bus {
  /** Bytes that one message may have, headers included. */
  readonly maxPayload: number
  readonly isConnected: boolean
  /** Copies that streams should have here: 1 on a single server, 3 where the servers are a cluster. */
  readonly replicas: number
  /** Tells each change of `isConnected`, and 'closed' for good. Returns a function that ends it. */
  onState(listener: (state: BusState) => void): () => void
  /**
   * Sends at once, or not at all: false while there is no connection, or while more than the limit waits to be written.
   * Whoever gets false keeps or counts the message; nothing is buffered behind his back. True says that it was sent, not
   * that it arrived: what is under way when a connection breaks is lost.
   *
   * @param payload is not to be changed after, since it may be written at the end of the turn
   */
  publish(subject: string, payload: Uint8Array, options?: PublishOptions): boolean
  /** Whether the system has all of what was last published: its memory may be used again. Undefined: who knows. */
  readonly hasWritten?: boolean
  /** @param group of the subscribers with the same group, one gets each message */
  subscribe(subject: string, handler: (message: BusMessage) => void, group?: string): Subscription
  /**
   * Rejects with `AskTimeout` at the deadline, with `NoResponder` when nobody listens, and with `ClusterError` when the
   * connection is lost before the answer came; so do all calls to buckets and streams. Whether what they asked for was
   * done is not known then.
   */
  request(subject: string, payload: Uint8Array, deadlineMs: number): Promise<BusMessage>
  /** Resolves when the server has seen all that was published before. */
  flush(): Promise<void>
  /** Opens a bucket; makes it when it is not there. */
  bucket(name: string, options?: BucketOptions): Promise<Bucket>
  readonly streams: Streams
  /** Sends what waits, and leaves. */
  close(): Promise<void>
}

export type BusState = 'connected' | 'disconnected' | 'closed'

export type BusHeaders = Readonly<Record<string, string>>

export interface PublishOptions {
  readonly reply?: string | undefined
  readonly headers?: BusHeaders | undefined
}

export interface BusMessage {
  readonly subject: string
  readonly payload: Uint8Array
  readonly reply: string | undefined
  /** Undefined when there are none. Names are as they were sent. */
  readonly headers: BusHeaders | undefined
}

export interface Subscription {
  /** No more messages from now on, those neither that the server has sent already. */
  unsubscribe(): void
  /** No new messages; resolves when those have come that the server had sent. A bus may have no way to know. */
  drain?(): Promise<void>
}

export interface BucketOptions {
  /** Entries that nobody writes for so long go. Their going raises no `watch` event: sweep by your own clock. */
  readonly maxAgeMs?: number
  /** Time that each call has. Default: 5 s, in which servers that choose a leader have one again. */
  readonly deadlineMs?: number
  /** Versions kept of each key. Default: 1. */
  readonly history?: number
}

/** Keys with revisions: what is written is agreed on, one revision after the other. */
export interface Bucket {
  get(key: string): Promise<BucketEntry | undefined>
  /** Gives the new revision. */
  put(key: string, value: Uint8Array): Promise<number>
  /** Undefined when the key is there already. */
  create(key: string, value: Uint8Array): Promise<number | undefined>
  /** Undefined when another has written since `revision`. */
  update(key: string, value: Uint8Array, revision: number): Promise<number | undefined>
  /** @param revision only when it is still this one; false when it is not */
  delete(key: string, revision?: number): Promise<boolean>
  keys(): Promise<string[]>
  /**
   * Gives all entries there are, then `onInitial`, then every change. Goes on over lost connections: what has changed
   * meanwhile comes when the connection is back, and of several changes to one key only the last. An entry that has
   * aged out, and so raised no event, is told as deleted then.
   */
  watch(handler: (entry: BucketEntry) => void, onInitial?: () => void): Promise<Subscription>
}

export interface BucketEntry {
  readonly key: string
  /** Undefined: it was deleted. */
  readonly value: Uint8Array | undefined
  readonly revision: number
}

/** Streams keep what is published to their subjects until it is acknowledged or too old. */
export interface Streams {
  /** Makes a stream, or changes it to what is wanted. Rejects with `ClusterError` when it cannot be that. */
  ensure(stream: StreamOptions): Promise<void>
  /** Resolves when the stream has stored it. Rejects with `StreamFull`, `NoResponder`, `AskTimeout`, `ClusterError`. */
  publish(subject: string, payload: Uint8Array, options: StreamPublishOptions): Promise<Stored>
  /** Gives what the stream has for the filter, in order; what is not acknowledged in time is given again. */
  consume(
    stream: string,
    options: ConsumeOptions,
    handler: (delivery: Delivery) => void,
  ): Promise<Consumption>
  /** Undefined when there is no such stream. */
  info(stream: string): Promise<StreamInfo | undefined>
  /** How many messages it has of each subject of which it has any; undefined when there is no such stream. */
  waiting(stream: string): Promise<ReadonlyMap<string, number> | undefined>
  /** The streams that take something of what is published to a subject, which may have wildcards. */
  names(subject: string): Promise<readonly string[]>
  /** One message by its sequence; undefined when it is gone. */
  get(stream: string, sequence: number): Promise<StoredMessage | undefined>
  /** The last of those in a range, in order, without a request for each. Not for streams with retention 'work'. */
  last(stream: string, range: StreamRange): Promise<readonly StoredMessage[]>
  /** Removes one message. False when it was gone. */
  delete(stream: string, sequence: number): Promise<boolean>
  /** Removes a consumer that nobody needs any more. */
  deleteConsumer(stream: string, name: string): Promise<void>
}

export interface StreamOptions {
  readonly name: string
  readonly subjects: readonly string[]
  /** 'work': a message goes when it is acknowledged; 'interest': when all consumers have; 'limits': when it is old. */
  readonly retention: 'work' | 'interest' | 'limits'
  readonly maxBytes: number
  readonly maxAgeMs: number
  /** How long the ids of messages are remembered, to refuse what is sent twice. */
  readonly duplicateWindowMs: number
  readonly replicas: number
  readonly storage: 'file' | 'memory'
}

export interface StreamPublishOptions {
  /** What comes with an id that is remembered is not stored again. */
  readonly id: string
  readonly deadlineMs: number
  readonly headers?: BusHeaders | undefined
}

export interface Stored {
  readonly sequence: number
  /** It was there already. */
  readonly isDuplicate: boolean
}

export interface StreamRange {
  /** Sequences, both included. */
  readonly from: number
  readonly through: number
  readonly filter?: string | undefined
  /** So many at most. */
  readonly count: number
}

export interface StoredMessage {
  readonly sequence: number
  readonly subject: string
  readonly payload: Uint8Array
  readonly headers: BusHeaders | undefined
  readonly timeMs: number
}

export interface ConsumeOptions {
  /** A durable consumer: its position outlives whoever consumes. */
  readonly name: string
  readonly filter?: string | undefined
  /** Sequence that a consumer begins with that is not there yet. Default: the oldest. */
  readonly from?: number | undefined
  /** Messages that may be unacknowledged at one time. */
  readonly maxPending: number
  /** What is neither acknowledged nor extended for so long is given again. */
  readonly ackWaitMs: number
  /** A consumer that nobody takes from for so long goes. Default: it stays. */
  readonly forgetAfterMs?: number
}

export interface Consumption {
  /**
   * Resolves when nothing comes any more: it was stopped, or its consumer is gone, because someone has deleted it or the
   * server has lost it. It is not made again behind anybody's back: who deletes a consumer shuts out whoever used it.
   */
  readonly ended: Promise<void>
  /** No more deliveries after this has resolved. Those that are out may still be acknowledged. */
  stop(): Promise<void>
}

export interface Delivery extends StoredMessage {
  /** 1: the first time. */
  readonly attempt: number
  /** Counts from 1 what its consumer has given, what it gave again included: one that is missing was lost on its way. */
  readonly count: number
  /** It is done: never again. Resolves when the server knows. */
  ack(): Promise<void>
  /** Give it again after so long. */
  nak(delayMs: number): void
  /** Still at it: the time to acknowledge starts over. */
  extend(): void
}

export interface StreamInfo {
  readonly messages: number
  readonly bytes: number
  readonly firstSequence: number
  readonly lastSequence: number
  readonly consumers: readonly {
    readonly name: string
    /** Stored and not given yet. */
    readonly waiting: number
    /** Given and not acknowledged. */
    readonly pending: number
    /** All of its messages up to this sequence are acknowledged. */
    readonly through: number
    /** Somebody waits for what comes. */
    readonly isTaken: boolean
  }[]
}
