import { encodeProxyHeader, type ProxyHeaderLike } from '../../../runtime/codec/proxy-protocol/index.ts'
import { TrafficError } from '../../../runtime/errors.ts'
import { show } from '../../../runtime/options.ts'
import type { Context } from '../../context.ts'
import type { FilterDefinition } from '../definition.ts'
import { innerPlanOf } from '../inner-pipeline.ts'
import { ConnectingFilter, type Given } from './connecting-filter.ts'

/** There is nothing to wait for: the header goes first, and the stream right behind it. */
class ConnectProxyProtocol extends ConnectingFilter<ProxyHeaderLike> {
  protected begin(header: ProxyHeaderLike): void {
    if (typeof header !== 'object' || header === null)
      throw new TrafficError(
        'RuntimeError',
        `connectProxyProtocol wants a header like { sourceAddress, … }, and its callback gave ${show(header)}`,
      )
    this.send(encodeProxyHeader(header))
    this.established()
  }

  protected brokenOff(): TrafficError {
    return new TrafficError('ConnectionReset')
  }
}

/** The header for the connection that the session serves; of our own accord where there is none, as in tasks. */
function headerOfInbound({ __inbound }: Context): ProxyHeaderLike {
  return __inbound === undefined
    ? {}
    : {
        sourceAddress: __inbound.remoteAddress,
        sourcePort: __inbound.remotePort,
        targetAddress: __inbound.localAddress,
        targetPort: __inbound.localPort,
      }
}

export const connectProxyProtocol: FilterDefinition = {
  name: 'connectProxyProtocol',
  aliases: [],
  signature: '([header])',
  summary: 'Puts a PROXY protocol header in front of a stream that goes over a pipeline',
  doc: 'Sends a header of the PROXY protocol, then the stream, into the sub-pipeline (.to), which has the same context: usually it is connect, to a service that takes such a header. The header { version, command, protocol, sourceAddress, sourcePort, targetAddress, targetPort, fields } may be a callback (ctx) that gives it, or a promise of it. Without one it tells of the client of the session (__inbound). version is 2 unless given, protocol TCP4 or TCP6 by the addresses, command PROXY, or LOCAL when there is no source address.',
  accepts: 'bytes',
  emits: 'bytes',
  sub: 'bytes',
  options: {},
  example:
    "listen(8000).connectProxyProtocol({ version: 1, sourceAddress: '192.0.2.1', targetAddress: '192.0.2.2', sourcePort: 50000, targetPort: 80 }).to($ => $.connect('127.0.0.1:8080'))",
  build: call => {
    const inner = innerPlanOf(call)
    const given = call.take() ?? headerOfInbound
    if (typeof given !== 'function') {
      if (typeof given !== 'object' || given === null)
        throw new TrafficError(
          'BadOption',
          `connectProxyProtocol wants a header like { sourceAddress, … }, or a callback that gives one, and got ${show(given)}`,
        )
      try {
        encodeProxyHeader(given)
      } catch (thrown) {
        throw new TrafficError('BadOption', (thrown as Error).message, thrown)
      }
    }
    call.end()
    return {
      name: 'connectProxyProtocol',
      create: () => new ConnectProxyProtocol(inner, given as Given<ProxyHeaderLike>, 0),
    }
  },
}
