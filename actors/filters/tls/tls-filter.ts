import { Deadline } from '../../../runtime/clock.ts'
import { TrafficError } from '../../../runtime/errors.ts'
import { Data, type Event, Kind, StreamEnd } from '../../../runtime/event.ts'
import type { TLSHandshake, TLSStream, TLSStreamUser } from '../../../runtime/net/tls-stream.ts'
import { turn } from '../../../runtime/turn.ts'
import { type EventPort, Filter } from '../../filter.ts'
import type { TLSCallbacks, TLSSessionState } from './tls-options.ts'

/** What the filters of one place in the script share. */
export interface TLSPlan {
  readonly callbacks: TLSCallbacks
  /** Whether a peer whose certificate is not to be trusted is refused. */
  readonly verifies: boolean
  readonly handshakeTimeoutMs: number
}

/**
 * What acceptTLS and connectTLS have in common: a TLS stream between the side that leads to the peer (the wire) and
 * the side of plain bytes.
 *
 *     handshake ──secured, peer trusted──► ready: bytes pass ──► each direction ends by itself
 *         └── broken, not trusted, timeout ──► both sides end with TLSError
 *
 * What the stream tells comes from outside of the pipeline's actor, and enters it in order.
 */
export abstract class TLSFilter extends Filter implements TLSStreamUser {
  protected stream: TLSStream | null = null
  protected hasEnded = false
  /** What ended the plain side, to be told on the wire behind close_notify. */
  protected plainEnd: StreamEnd | null = null
  private readonly shared: TLSPlan
  private readonly wirePort: EventPort = {
    takesText: false,
    process: event => this.putOnWire(event as Event),
  }
  private readonly plainPort: EventPort = { takesText: false, process: event => this.putOut(event as Event) }
  private hasWireEnded = false
  private hasPlainEnded = false
  private isReady = false
  private fault: TrafficError | undefined
  private deadline: Deadline | null = null
  private session: TLSSessionState = { state: 'handshake', error: undefined }

  constructor(shared: TLSPlan) {
    super()
    this.shared = shared
  }

  /** Takes encrypted bytes, and the end of them. */
  protected abstract toWire(event: Event): void
  /** Takes plain bytes, and the end of them. */
  protected abstract toPlain(event: Event): void
  /** The peer is who it should be: plain bytes may pass. */
  protected abstract ready(): void

  /** The handshake is awaited from now on. */
  protected begin(): void {
    this.tellState(this.session)
    const ms = this.shared.handshakeTimeoutMs
    if (ms === 0) return
    this.deadline = new Deadline(ms, () =>
      this.enter(() => {
        if (!this.isReady)
          this.break(new TrafficError('TLSError', `the handshake was not done within ${ms / 1000} s`))
      }),
    )
    this.deadline.touch()
  }

  /** Goes on inside the pipeline's actor. */
  protected enter(work: () => void): void {
    turn.begin(null)
    this.pipeline.run(work)
    turn.end()
  }

  // What the stream tells

  encrypted(bytes: Buffer): void {
    this.pipeline.deliver(this.wirePort, Data.over(bytes), null)
  }

  encryptedEnd(): void {
    this.pipeline.deliver(this.wirePort, this.plainEnd ?? new StreamEnd(), null)
  }

  decrypted(bytes: Buffer): void {
    this.pipeline.deliver(this.plainPort, Data.over(bytes), null)
  }

  decryptedEnd(): void {
    this.pipeline.deliver(this.plainPort, new StreamEnd(), null)
  }

  secured(handshake: TLSHandshake): void {
    this.pipeline.run(() => this.judge(handshake))
  }

  failed(error: TrafficError): void {
    this.pipeline.run(() => this.break(error))
  }

  private judge(handshake: TLSHandshake): void {
    if (this.hasEnded) return
    const { callbacks, verifies } = this.shared
    const { context } = this.pipeline
    const { distrust, peer } = handshake
    const isTrusted =
      callbacks.verify === undefined
        ? distrust === undefined || !verifies
        : callbacks.verify(distrust === undefined, peer, context)
    if (!isTrusted) {
      this.break(
        new TrafficError('TLSError', `the peer's certificate is refused: ${distrust ?? 'by the script'}`),
      )
      return
    }
    this.deadline?.clear()
    this.isReady = true
    callbacks.handshake?.(handshake, context)
    this.tellState({ ...handshake, state: 'connected', error: undefined })
    this.ready()
  }

  private putOnWire(event: Event): void {
    if (this.hasWireEnded) return
    if (event.kind === Kind.streamEnd) this.hasWireEnded = true
    this.toWire(event)
    this.checkClosed()
  }

  private putOut(event: Event): void {
    if (this.hasPlainEnded) return
    if (event.kind === Kind.streamEnd) this.hasPlainEnded = true
    this.toPlain(event)
    this.checkClosed()
  }

  /** Ends both sides at once. */
  protected break(error: TrafficError): void {
    this.breakWith(new StreamEnd(error))
  }

  protected breakWith(end: StreamEnd): void {
    if (this.hasEnded) return
    this.hasEnded = true
    this.deadline?.clear()
    this.stream?.destroy()
    this.fault = end.fault ?? (end.error === '' ? undefined : new TrafficError(end.error))
    this.putOut(end)
    this.putOnWire(end)
  }

  private checkClosed(): void {
    if (!this.hasPlainEnded || !this.hasWireEnded || this.session.state === 'closed') return
    this.tellState({ ...this.session, state: 'closed', error: this.fault })
  }

  private tellState(session: TLSSessionState): void {
    this.session = session
    this.shared.callbacks.onState?.(session, this.pipeline.context)
  }

  override stop(): void {
    this.hasEnded = true
    this.deadline?.clear()
    this.stream?.destroy()
    if (this.stream !== null && this.session.state !== 'closed')
      this.tellState({ ...this.session, state: 'closed' })
  }
}
