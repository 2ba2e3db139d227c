import { Deadline } from '../../../runtime/clock.ts'
import { type DetectedProtocol, ProtocolDetector } from '../../../runtime/codec/detect/index.ts'
import { type Event, Kind } from '../../../runtime/event.ts'
import { duration } from '../../../runtime/options.ts'
import type { Context } from '../../context.ts'
import type { FilterDefinition } from '../definition.ts'
import { HoldingFilter } from '../holding-filter.ts'

type HandleProtocol = (protocol: DetectedProtocol, ctx: Context) => unknown

const options = {
  timeout: duration(
    0,
    "Takes the protocol for '' when it is not known so long after the stream began: for protocols in which the server speaks first. None by default, as in Pipy.",
  ),
} as const

class DetectProtocol extends HoldingFilter {
  private readonly callback: HandleProtocol
  private readonly timeoutMs: number
  private readonly detector = new ProtocolDetector()
  private deadline: Deadline | null = null

  constructor(callback: HandleProtocol, timeoutMs: number) {
    super()
    this.callback = callback
    this.timeoutMs = timeoutMs
  }

  protected look(event: Event): void {
    if (this.timeoutMs > 0 && this.deadline === null) {
      this.deadline = new Deadline(this.timeoutMs, () =>
        this.enter(() => {
          if (this.isHolding) this.found('')
        }),
      )
      this.deadline.touch()
    }
    if (event.kind === Kind.data) {
      const protocol = this.detector.read(event.buffer, event.start, event.end)
      if (protocol !== undefined) this.found(protocol)
    } else this.found('')
  }

  private found(protocol: DetectedProtocol): void {
    this.deadline?.clear()
    this.letGo(this.callback(protocol, this.pipeline.context))
  }

  override stop(): void {
    this.deadline?.clear()
    super.stop()
  }
}

export const detectProtocol: FilterDefinition = {
  name: 'detectProtocol',
  aliases: [],
  signature: '(callback[, options])',
  summary: 'Calls back with the protocol that a stream speaks',
  doc: "Looks at the first bytes of the stream and calls callback(protocol, ctx) once: with 'HTTP' (a request line of HTTP/1), 'HTTP2' (the preface), 'TLS' (a ClientHello) or '' (anything else, or the end of the stream). Events wait until then, the one that opens the stream included; when the callback returns a promise, until that has settled. It is known within 9 kB at most.",
  accepts: 'bytes',
  emits: 'bytes',
  options,
  example:
    "listen(8000).detectProtocol((protocol, ctx) => { ctx.protocol = protocol }, { timeout: '1s' }).link('web', ctx => ctx.protocol === 'HTTP', 'api')",
  build: call => {
    const callback = call.callback<HandleProtocol>('a callback (protocol, ctx)')
    const { timeout } = call.options(options)
    return { name: 'detectProtocol', create: () => new DetectProtocol(callback, timeout) }
  },
}
