/**
 * Every way in which traffic can fail, in one table.
 *
 * A `code` is stable: scripts compare it (`evt.error === 'ConnectionRefused'`), logs and metrics carry it, it is
 * never reused for something else. Codes that Pipy has keep Pipy's spelling, so that its scripts go on working.
 */

/** Who has to act: the client, the service behind us, the script's author, the operator of the cluster, or us. */
export type FaultSource = 'downstream' | 'upstream' | 'script' | 'cluster' | 'internal'

/** Whether the same work may be tried again, and how. */
export type Retry = 'never' | 'idempotent' | 'fresh-connection'

interface FaultKind {
  readonly source: FaultSource
  readonly retry: Retry
  /** HTTP status that answers a request which failed this way. */
  readonly status: number
  /** `error` parameter of the Proxy-Status field (RFC 9209 §2.3) that tells the client that the proxy answered. */
  readonly proxyError: string
  readonly summary: string
  readonly cure: string
}

const fault = (
  source: FaultSource,
  retry: Retry,
  status: number,
  proxyError: string,
  summary: string,
  cure: string,
): FaultKind => ({ source, retry, status, proxyError, summary, cure })

export const faults = {
  Replay: fault(
    'script',
    'idempotent',
    500,
    'proxy_internal_error',
    'The stream is to be given again',
    'Put replay() around the pipeline that ends with it.',
  ),
  UnknownError: fault(
    'internal',
    'never',
    500,
    'proxy_internal_error',
    'Unknown error',
    'Report it with the log line that goes with it.',
  ),
  RuntimeError: fault(
    'script',
    'never',
    500,
    'proxy_internal_error',
    'A script callback failed',
    'Mend the script at the file and line given.',
  ),
  ReadError: fault(
    'upstream',
    'idempotent',
    502,
    'connection_terminated',
    'Reading from the connection failed',
    'See the cause; check the peer and the network between.',
  ),
  WriteError: fault(
    'upstream',
    'idempotent',
    502,
    'connection_terminated',
    'Writing to the connection failed',
    'See the cause; check the peer and the network between.',
  ),
  CannotResolve: fault(
    'upstream',
    'fresh-connection',
    502,
    'dns_error',
    'The host name could not be resolved',
    'Check the name in the target and the resolver of this machine.',
  ),
  ConnectionCanceled: fault(
    'internal',
    'never',
    502,
    'connection_terminated',
    'The connection was given up before it was made',
    'Nothing, when the client left; else look at the log before it.',
  ),
  ConnectionAborted: fault(
    'downstream',
    'never',
    502,
    'connection_terminated',
    'The connection was aborted by this side',
    'See the cause.',
  ),
  ConnectionReset: fault(
    'upstream',
    'idempotent',
    502,
    'connection_terminated',
    'The peer reset the connection',
    'Look at the peer: it crashed, or closed an idle connection.',
  ),
  ConnectionRefused: fault(
    'upstream',
    'fresh-connection',
    502,
    'connection_refused',
    'The peer refused the connection',
    'Start the service, or correct the target address.',
  ),
  ConnectionTimeout: fault(
    'upstream',
    'fresh-connection',
    504,
    'connection_timeout',
    'The connection was not made in time',
    'Check the address and firewall, or raise connectTimeout.',
  ),
  ReadTimeout: fault(
    'upstream',
    'idempotent',
    504,
    'connection_read_timeout',
    'Nothing was received in time',
    'Look at the peer, or raise readTimeout.',
  ),
  WriteTimeout: fault(
    'upstream',
    'idempotent',
    504,
    'connection_write_timeout',
    'Nothing could be sent in time',
    'Look at the peer, or raise writeTimeout.',
  ),
  IdleTimeout: fault(
    'upstream',
    'idempotent',
    504,
    'connection_read_timeout',
    'The connection was idle for too long',
    'Look at the peer, or raise idleTimeout.',
  ),
  BufferOverflow: fault(
    'upstream',
    'never',
    503,
    'destination_unavailable',
    'A buffer reached its limit',
    'Raise the limit named, or slow the sender.',
  ),
  ProtocolError: fault(
    'downstream',
    'never',
    400,
    'http_request_error',
    'The bytes do not follow the protocol',
    'Mend the sender; the reason names the rule that it broke.',
  ),
  UpstreamProtocolError: fault(
    'upstream',
    'never',
    502,
    'http_protocol_error',
    'The upstream answered with bytes that do not follow the protocol',
    'Mend the upstream; the reason names the rule that it broke.',
  ),
  Unauthorized: fault(
    'downstream',
    'never',
    401,
    'http_request_denied',
    'The peer is not authorized',
    'Present credentials that the other side accepts.',
  ),
  TLSError: fault(
    'upstream',
    'never',
    502,
    'tls_protocol_error',
    'The TLS handshake failed',
    'See the cause: certificate, name, protocol version or cipher.',
  ),
  Overloaded: fault(
    'internal',
    'idempotent',
    503,
    'destination_unavailable',
    'The receiver has no room',
    'Slow the sender, add capacity, or raise the limit named.',
  ),
  DeadLetter: fault(
    'internal',
    'never',
    503,
    'destination_unavailable',
    'The receiving actor is gone',
    'Look at the log for the reason why it stopped.',
  ),
  AskTimeout: fault(
    'internal',
    'idempotent',
    504,
    'proxy_internal_response',
    'An ask got no reply before its deadline',
    'Look at the asked actor, or give it more time.',
  ),
  ScriptError: fault(
    'script',
    'never',
    500,
    'proxy_configuration_error',
    'The script cannot be used',
    'Mend the script at the file and line given.',
  ),
  BadOption: fault(
    'script',
    'never',
    500,
    'proxy_configuration_error',
    'An option has a value that cannot be used',
    'Give the option a value of the kind named.',
  ),
  UnknownPipeline: fault(
    'script',
    'never',
    500,
    'proxy_configuration_error',
    'No pipeline has this name',
    'Define it with .pipeline(name), or correct the name.',
  ),
  ListenFailed: fault(
    'script',
    'never',
    500,
    'proxy_configuration_error',
    'The address cannot be listened on',
    'Free the port, take another, or check the address and your rights.',
  ),
  ClusterError: fault(
    'cluster',
    'idempotent',
    503,
    'destination_unavailable',
    'The cluster cannot do what is asked of it',
    'See the cause: the address and credentials of NATS, whether JetStream is on, and what its log says.',
  ),
  NoResponder: fault(
    'cluster',
    'idempotent',
    503,
    'destination_unavailable',
    'Nobody in the cluster listens to this subject',
    'Start a node that hosts it, or correct the name; for streams: turn JetStream on.',
  ),
  NotTaken: fault(
    'upstream',
    'idempotent',
    502,
    'http_response_incomplete',
    'The answer says that the message was not taken',
    'See what the service behind the pipeline says; dead letters hold the message.',
  ),
  NotAnswered: fault(
    'script',
    'idempotent',
    504,
    'http_response_timeout',
    'The pipeline put nothing out for a message',
    "Let it put out one message for each that it takes, in their order, or give it acknowledge: 'taken'.",
  ),
  WireVersion: fault(
    'cluster',
    'never',
    502,
    'proxy_internal_error',
    'A newer program wrote this',
    'Bring all nodes of the cluster to the same version.',
  ),
  StreamFull: fault(
    'cluster',
    'idempotent',
    503,
    'destination_unavailable',
    'The stream has no room',
    'Let its consumers catch up, add some, or raise the limit of its bytes.',
  ),
  ThreadDied: fault(
    'internal',
    'idempotent',
    503,
    'proxy_internal_error',
    'A worker thread died',
    'See the reason given; a replacement is started.',
  ),
} as const satisfies Record<string, FaultKind>

export type FaultCode = keyof typeof faults

export const isFaultCode = (code: string): code is FaultCode => Object.hasOwn(faults, code)

/** Plain data that says the same as a TrafficError: for logs, and for crossing threads, where errors lose their class. */
export interface FaultRecord {
  readonly code: FaultCode
  readonly message: string
  readonly stack?: string | undefined
  readonly cause?: FaultRecord | string | undefined
}

const brand = Symbol.for('sluice.TrafficError')

/** An error with a stable code, a party to blame and advice. `instanceof` holds across two copies of the package. */
export class TrafficError extends Error {
  readonly code: FaultCode
  readonly source: FaultSource
  readonly retry: Retry
  readonly [brand] = true

  constructor(code: FaultCode, detail?: string, cause?: unknown) {
    super(
      detail === undefined ? faults[code].summary : `${faults[code].summary}: ${detail}`,
      cause === undefined ? undefined : { cause },
    )
    this.name = 'TrafficError'
    this.code = code
    this.source = faults[code].source
    this.retry = faults[code].retry
  }

  get cure(): string {
    return faults[this.code].cure
  }

  get status(): number {
    return faults[this.code].status
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === 'object' && value !== null && brand in value
  }

  /** Any thrown value as a TrafficError: itself when it is one, else wrapped under `code` with the value as cause. */
  static from(thrown: unknown, code: FaultCode = 'RuntimeError'): TrafficError {
    if (thrown instanceof TrafficError) return thrown
    return new TrafficError(code, thrown instanceof Error ? thrown.message : textOf(thrown), thrown)
  }

  toRecord(): FaultRecord {
    return {
      code: this.code,
      message: this.message,
      stack: this.stack,
      cause:
        this.cause instanceof TrafficError
          ? this.cause.toRecord()
          : this.cause instanceof Error
            ? (this.cause.stack ?? this.cause.message)
            : this.cause === undefined
              ? undefined
              : textOf(this.cause),
    }
  }

  static fromRecord(record: FaultRecord): TrafficError {
    const cause = typeof record.cause === 'object' ? TrafficError.fromRecord(record.cause) : record.cause
    const error = new TrafficError(record.code, undefined, cause)
    error.message = record.message
    if (record.stack !== undefined) error.stack = record.stack
    return error
  }
}

/** A thrown value that is no error as text. Scripts may throw what cannot be made text of. */
function textOf(thrown: unknown): string {
  try {
    return String(thrown)
  } catch {
    return 'a value that cannot be shown'
  }
}
