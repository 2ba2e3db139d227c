/** Streams on JetStream. Each call has a deadline; consumers are `NatsConsumption`. */

import {
  AckPolicy,
  type ConsumerInfo,
  DeliverPolicy,
  DiscardPolicy,
  type JetStreamClient,
  type JetStreamManager,
  type JsMsg,
  jetstream,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from '@nats-io/jetstream'
import { nanos } from '@nats-io/transport-node'
import { TrafficError } from '../../runtime/errors.ts'
import type {
  ConsumeOptions,
  Consumption,
  Delivery,
  Stored,
  StoredMessage,
  StreamInfo,
  StreamOptions,
  StreamPublishOptions,
  StreamRange,
  Streams,
} from './bus.ts'
import { NatsConsumption } from './nats-consumption.ts'
import { busError, managementError, notConnected, streamCode, streamCodes } from './nats-errors.ts'
import type { NatsParts } from './nats-feed.ts'
import { plainHeaders } from './nats-message.ts'
import type { NatsPublications } from './nats-publications.ts'

/** For calls that manage streams; a cluster that is choosing a leader needs a moment. */
const callMs = 5_000

/**
 * To make a consumer: on a cluster each has a leader of its own, and one that is given to a server which has just died is
 * there only after an election, of four to nine seconds. Whoever tries again sooner with another only makes more of them.
 */
const consumerMs = 12_000

/** Messages of one request, when many are read. */
const readCount = 256
/** A consumer that was made to read, and was left behind, goes after so long. */
const forgetReaderMs = 10_000

const unchangeable = 'delete it when it is empty, or give the pipeline another name'

const retentions = {
  work: RetentionPolicy.Workqueue,
  interest: RetentionPolicy.Interest,
  limits: RetentionPolicy.Limits,
} as const

export class NatsStreams implements Streams {
  private readonly parts: NatsParts
  private readonly publications: NatsPublications
  private readonly client: JetStreamClient
  private manager: JetStreamManager | undefined

  constructor(parts: NatsParts, publications: NatsPublications) {
    this.parts = parts
    this.publications = publications
    this.client = jetstream(parts.connection, { checkAPI: false, timeout: callMs })
  }

  async ensure(stream: StreamOptions): Promise<void> {
    await this.manage(`stream '${stream.name}' cannot be made`, async manager => {
      const wanted = configOf(stream)
      try {
        await manager.streams.add(wanted)
      } catch (error) {
        // It is there, and differs: what can be changed is.
        if (streamCode(error) !== streamCodes.streamNameInUse) throw error
        await manager.streams.update(stream.name, wanted).catch((error: unknown) => {
          if (streamCode(error) !== streamCodes.streamCannotChange) throw error
          throw busError(error, `stream '${stream.name}' is there and cannot be changed so; ${unchangeable}`)
        })
      }
    })
  }

  publish(subject: string, payload: Uint8Array, options: StreamPublishOptions): Promise<Stored> {
    return this.publications.publish(subject, payload, options)
  }

  async consume(
    stream: string,
    options: ConsumeOptions,
    handler: (delivery: Delivery) => void,
  ): Promise<Consumption> {
    const { parts } = this
    const manager = await jetstream(parts.connection, {
      checkAPI: false,
      timeout: consumerMs,
    }).jetstreamManager(false)
    const consumption = new NatsConsumption(parts, manager, { ...options, stream, handler })
    await consumption.start()
    return consumption
  }

  async info(stream: string): Promise<StreamInfo | undefined> {
    return this.unlessGone(streamCodes.streamNotFound, `cannot ask of stream '${stream}'`, async manager => {
      const { state } = await manager.streams.info(stream)
      const consumers = []
      for await (const consumer of manager.consumers.list(stream)) {
        const { name, num_pending: waiting, num_ack_pending: pending, ack_floor, config } = consumer
        // One that has acknowledged nothing says 0, wherever it begins.
        const through = Math.max(ack_floor.stream_seq, (config.opt_start_seq ?? 1) - 1)
        consumers.push({ name, waiting, pending, through, isTaken: consumer.num_waiting > 0 })
      }
      return {
        messages: state.messages,
        bytes: state.bytes,
        firstSequence: state.first_seq,
        lastSequence: state.last_seq,
        consumers,
      }
    })
  }

  waiting(stream: string): Promise<ReadonlyMap<string, number> | undefined> {
    return this.unlessGone(streamCodes.streamNotFound, `cannot ask of stream '${stream}'`, async manager => {
      const { state } = await manager.streams.info(stream, { subjects_filter: '>' })
      return new Map(Object.entries(state.subjects ?? {}))
    })
  }

  names(subject: string): Promise<readonly string[]> {
    return this.manage(`cannot ask for the streams of '${subject}'`, async manager => {
      const names: string[] = []
      for await (const name of manager.streams.names(subject)) names.push(name)
      return names
    })
  }

  get(stream: string, sequence: number): Promise<StoredMessage | undefined> {
    return this.unlessGone(streamCodes.streamNotFound, `cannot read stream '${stream}'`, async manager => {
      const message = await manager.streams.getMessage(stream, { seq: sequence })
      if (message === null) return undefined
      return {
        sequence,
        subject: message.subject,
        payload: message.data,
        headers: plainHeaders(message.header),
        timeMs: message.time.getTime(),
      }
    })
  }

  async last(stream: string, range: StreamRange): Promise<readonly StoredMessage[]> {
    const doing = `cannot read stream '${stream}'`
    const read = await this.unlessGone(streamCodes.streamNotFound, doing, async manager => {
      const reader = await manager.consumers.add(stream, {
        ack_policy: AckPolicy.None,
        deliver_policy: DeliverPolicy.StartSequence,
        opt_start_seq: range.from,
        inactive_threshold: nanos(forgetReaderMs),
        mem_storage: true,
        num_replicas: 1,
        ...(range.filter === undefined ? undefined : { filter_subject: range.filter }),
      })
      try {
        return await this.readAll(reader, range)
      } finally {
        manager.consumers.delete(stream, reader.name).catch(() => {})
      }
    })
    return read ?? []
  }

  private async readAll(reader: ConsumerInfo, { through, count }: StreamRange): Promise<StoredMessage[]> {
    const consumer = this.client.consumers.getConsumerFromInfo(reader)
    let read: StoredMessage[] = []
    let waiting = reader.num_pending
    while (waiting > 0) {
      const asked = Math.min(waiting, readCount)
      let came = 0
      for await (const message of await consumer.fetch({ max_messages: asked, expires: callMs })) {
        came++
        waiting = message.info.pending
        if (message.seq > through) waiting = 0
        else read.push(storedOf(message))
      }
      if (read.length > count) read = read.slice(-count)
      if (came < asked && waiting > 0)
        throw new TrafficError('AskTimeout', `of ${asked} messages ${came} came within ${callMs} ms`)
    }
    return read
  }

  delete(stream: string, sequence: number): Promise<boolean> {
    return this.manage(`cannot delete from stream '${stream}'`, async manager => {
      try {
        return await manager.streams.deleteMessage(stream, sequence, false)
      } catch (error) {
        // Each kind of store has its own way to say that it is gone: that is seen by looking.
        if (streamCode(error) === undefined) throw error
        if ((await this.get(stream, sequence)) !== undefined) throw error
        return false
      }
    })
  }

  async deleteConsumer(stream: string, name: string): Promise<void> {
    await this.unlessGone(streamCodes.consumerNotFound, `cannot delete consumer '${name}'`, manager =>
      manager.consumers.delete(stream, name),
    )
  }

  private async managing(): Promise<JetStreamManager> {
    this.manager ??= await this.client.jetstreamManager(false)
    return this.manager
  }

  private async manage<T>(doing: string, run: (manager: JetStreamManager) => Promise<T>): Promise<T> {
    try {
      if (!this.parts.bus.isConnected) throw notConnected('it cannot be reached')
      return await this.parts.calls.run(run(await this.managing()))
    } catch (error) {
      throw managementError(error, doing)
    }
  }

  /** Undefined when JetStream answers with this code. */
  private unlessGone<T>(
    code: number,
    doing: string,
    run: (manager: JetStreamManager) => Promise<T>,
  ): Promise<T | undefined> {
    return this.manage(doing, async manager => {
      try {
        return await run(manager)
      } catch (error) {
        if (streamCode(error) === code) return undefined
        throw error
      }
    })
  }
}

const storedOf = (message: JsMsg): StoredMessage => ({
  sequence: message.seq,
  subject: message.subject,
  payload: message.data,
  headers: plainHeaders(message.headers),
  timeMs: message.time.getTime(),
})

function configOf(stream: StreamOptions): Partial<StreamConfig> & { name: string } {
  return {
    name: stream.name,
    subjects: [...stream.subjects],
    retention: retentions[stream.retention],
    storage: stream.storage === 'file' ? StorageType.File : StorageType.Memory,
    max_bytes: stream.maxBytes,
    max_age: nanos(stream.maxAgeMs),
    duplicate_window: nanos(stream.duplicateWindowMs),
    num_replicas: stream.replicas,
    // A full stream refuses what is new, and its sender learns it; the other way, what was accepted would be lost.
    discard: DiscardPolicy.New,
    allow_direct: false,
  }
}
