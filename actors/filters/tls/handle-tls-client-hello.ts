import { type ClientHello, ClientHelloReader } from '../../../runtime/codec/tls/index.ts'
import { type Event, Kind } from '../../../runtime/event.ts'
import type { Context } from '../../context.ts'
import type { FilterDefinition } from '../definition.ts'
import { HoldingFilter } from '../holding-filter.ts'

type HandleHello = (hello: ClientHello, ctx: Context) => unknown

class HandleTLSClientHello extends HoldingFilter {
  private readonly callback: HandleHello
  private readonly reader = new ClientHelloReader()

  constructor(callback: HandleHello) {
    super()
    this.callback = callback
  }

  protected look(event: Event): void {
    if (event.kind === Kind.data) {
      if (!this.reader.read(event.buffer, event.start, event.end)) return
      const { hello } = this.reader
      this.letGo(hello === undefined ? undefined : this.callback(hello, this.pipeline.context))
    } else {
      this.letGo(undefined)
    }
  }
}

export const handleTLSClientHello: FilterDefinition = {
  name: 'handleTLSClientHello',
  aliases: [],
  signature: '(callback)',
  summary: 'Handles the first message of a TLS client',
  doc: "Looks at what a TLS client says first and calls callback({ serverNames, protocolNames, versions }, ctx) with it: the names that it asks for (SNI), the protocols that it offers (ALPN, like 'h2'), the versions of TLS ('TLSv1.3'). Events wait until then, the one that opens the stream included, so that what stands behind can go by it; when the callback returns a promise, until that has settled. Then everything passes unchanged. A stream that does not begin with a well-formed ClientHello of at most 16 KiB passes without a call.",
  accepts: 'bytes',
  emits: 'bytes',
  options: {},
  example:
    'listen(443).handleTLSClientHello((hello, ctx) => { ctx.target = `${hello.serverNames[0]}:443` }).connect(ctx => ctx.target)',
  build: call => {
    const callback = call.callback<HandleHello>('a callback (hello, ctx)')
    call.end()
    return { name: 'handleTLSClientHello', create: () => new HandleTLSClientHello(callback) }
  },
}
