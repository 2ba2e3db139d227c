import { TrafficError } from '../../../runtime/errors.ts'
import { show } from '../../../runtime/options.ts'
import { turn } from '../../../runtime/turn.ts'
import type { HTTPRequestHead, HTTPResponseHead } from '../../script/types.ts'
import { isThenable } from '../promise.ts'
import { type DocumentForm, DocumentRenderer } from './document-renderer.ts'
import { nextEventId } from './event-id.ts'
import type { Exchange, ExchangeLog } from './exchange.ts'
import { requestView, responseView } from './head-snapshot.ts'
import type { LogSettings } from './log-options.ts'
import { fieldsText } from './merge-fields.ts'
import type { Outlet } from './outlet.ts'
import { checkRules } from './redaction.ts'

/** An exchange as callbacks of a script see it, when it is over. */
export interface LoggedExchange {
  readonly request: HTTPRequestHead
  readonly response: HTTPResponseHead | undefined
  /** Status that the client got; undefined when it got none. */
  readonly status: number | undefined
  readonly durationMs: number
  /** A code of the reference when it failed, else ''. */
  readonly error: string
  readonly requestBytes: number
  readonly responseBytes: number
}

type Decide = (exchange: LoggedExchange, ctx: unknown) => unknown

/** What all logTraffic filters of one place in the script share: it decides, notes and hands on. */
export class TrafficLog implements ExchangeLog {
  readonly settings: LogSettings
  private readonly outlet: Outlet
  private readonly form: DocumentForm
  /** Made for an outlet that takes documents alone. */
  private renderer: DocumentRenderer | null = null
  private readonly name: string

  constructor(settings: LogSettings, outlet: Outlet, name: string, thread: number) {
    const { dataset = 'sluice.traffic', namespace = 'default', service = '', headers } = settings
    const { redact, reveal, bodies } = settings
    this.settings = settings
    this.outlet = outlet
    this.name = name
    this.form = { document: { dataset, namespace, service, headers }, redact, reveal, bodies, thread }
    // Found out now, when the script is read, rather than with the first exchange.
    checkRules(redact)
  }

  /** Whether an exchange that was not chosen may be logged all the same. */
  get mayKeep(): boolean {
    const { keep } = this.settings
    return keep.errors || keep.slowerThan > 0
  }

  write(exchange: Exchange): void {
    const { edge } = this.outlet
    if (!this.wants(exchange)) {
      edge.accepted++
      edge.drop('not-sampled')
      exchange.release()
      return
    }
    exchange.complete(this.fieldsOf(exchange))
    if (this.outlet.note(exchange, this.form)) exchange.release()
    else this.render(exchange)
  }

  private wants(exchange: Exchange): boolean {
    const { keep, when } = this.settings
    const isWanted =
      exchange.isChosen ||
      (keep.errors && (exchange.error !== '' || exchange.status >= 500)) ||
      (keep.slowerThan > 0 && exchange.durationMs >= keep.slowerThan)
    if (!isWanted || when === undefined) return isWanted
    // One that cannot be decided is logged.
    return Boolean(this.ask(when as Decide, exchange, true))
  }

  private ask<T>(callback: Decide, exchange: Exchange, otherwise: T): unknown {
    try {
      const answer = callback(viewOf(exchange), exchange.pipeline.context)
      if (!isThenable(answer)) return answer
      throw new TrafficError(
        'RuntimeError',
        `a callback of ${this.name} must answer at once, and gave a promise`,
      )
    } catch (thrown) {
      exchange.pipeline.session.program.reportFault(this.name, TrafficError.from(thrown))
      return otherwise
    }
  }

  /** What the script adds, as JSON; '' for nothing. */
  private fieldsOf(exchange: Exchange): string {
    const { fields } = this.settings
    if (fields === undefined) return ''
    const more = this.ask(fields as Decide, exchange, undefined)
    if (more === undefined || more === null) return ''
    let why = ''
    try {
      const text = typeof more === 'object' ? fieldsText(more) : undefined
      if (text !== undefined) return text
    } catch (thrown) {
      why = `, which JSON cannot say: ${TrafficError.from(thrown).message}`
    }
    const fault = new TrafficError(
      'RuntimeError',
      `fields of ${this.name} must give an object, and gave ${show(more)}${why}`,
    )
    exchange.pipeline.session.program.reportFault(this.name, fault)
    return ''
  }

  /** Makes the document here, for an outlet that takes no records. */
  private render(exchange: Exchange): void {
    this.renderer ??= new DocumentRenderer(this.form)
    if (this.renderer.mustUnpack(exchange)) {
      this.renderLater(this.renderer, exchange)
      return
    }
    const entry = this.renderer.render(exchange, nextEventId())
    exchange.release()
    this.outlet.write(entry, exchange.pipeline)
  }

  private renderLater(renderer: DocumentRenderer, exchange: Exchange): void {
    const { pipeline } = exchange
    const { program } = pipeline.session
    const { edge } = this.outlet
    // Draining waits for it.
    program.entered(exchange)
    edge.accepted++
    edge.inFlight++
    void renderer.unpack(exchange).then(contents => {
      edge.accepted--
      edge.inFlight--
      turn.begin(null)
      try {
        const entry = renderer.render(exchange, nextEventId(), contents)
        exchange.release()
        this.outlet.write(entry, pipeline)
      } finally {
        turn.end()
        program.left(exchange)
      }
    })
  }
}

function viewOf({ request, response, status, durationMs, error }: Exchange): LoggedExchange {
  return {
    request: requestView(request),
    response: response === null ? undefined : responseView(response),
    status: status === 0 ? undefined : status,
    durationMs,
    error,
    requestBytes: request.bytes,
    responseBytes: response?.bytes ?? 0,
  }
}
