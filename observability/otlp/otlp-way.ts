import type { ISerializer } from '@opentelemetry/otlp-transformer'
import type { ExportWay } from './export-queue.ts'
import { type OtlpEndpoint, OtlpSender } from './otlp-sender.ts'

interface PartialSuccess {
  readonly partialSuccess?: {
    readonly rejectedSpans?: number
    readonly rejectedLogRecords?: number
    readonly rejectedDataPoints?: number
  }
}

/** The two forms of a signal: those of `@opentelemetry/otlp-transformer`. */
export interface SignalSerializers<T> {
  readonly protobuf: ISerializer<T[], unknown>
  readonly json: ISerializer<T[], unknown>
}

/** How many items an answer says were rejected. */
export function rejectedBy(
  serializer: Pick<ISerializer<never, unknown>, 'deserializeResponse'>,
  body: Uint8Array,
): number {
  if (body.length === 0) return 0
  const { partialSuccess } = serializer.deserializeResponse(body) as PartialSuccess
  const { rejectedSpans, rejectedLogRecords, rejectedDataPoints } = partialSuccess ?? {}
  const rejected = Number(rejectedSpans ?? rejectedLogRecords ?? rejectedDataPoints ?? 0)
  // A collector may say what it likes: no fewer than none, and whole ones.
  return rejected > 0 ? Math.ceil(rejected) : 0
}

/** Sends the items of one signal to its endpoint, in the form that the SDK's serializers give them. */
export function otlpWay<T>(
  endpoint: OtlpEndpoint,
  serializers: SignalSerializers<T>,
  dropped: (reason: string, items: number) => void,
): ExportWay<T> {
  const sender = new OtlpSender(endpoint)
  const serializer = endpoint.protocol === 'http/json' ? serializers.json : serializers.protobuf
  return {
    serialize: items => serializer.serializeRequest(items as T[]),
    send: bytes => sender.send(bytes),
    rejected: body => rejectedBy(serializer, body),
    dropped,
    close: () => sender.close(),
  }
}
