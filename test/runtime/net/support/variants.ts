/** The transports that one contract is asked of. */

import test, { type ExecutionContext } from 'ava'
import { Data } from '../../../../runtime/data.ts'
import { netTransport } from '../../../../runtime/net/node-net.ts'
import { handleTransport } from '../../../../runtime/net/tcp-handle.ts'
import { makeCertificates } from './certificates.ts'
import type { Peer, Variant } from './peers.ts'

export const certificates = makeCertificates()

const tls = {
  listenTLS: certificates.server,
  connectTLS: { ca: certificates.ca, servername: 'localhost' },
}

export const plainVariants: readonly Variant[] = [
  { name: 'handle', transport: handleTransport },
  { name: 'net', transport: netTransport },
]

export const tlsVariants: readonly Variant[] = [
  { name: 'handle with TLS', transport: handleTransport, ...tls },
  { name: 'net with TLS', transport: netTransport, ...tls },
]

/** A test for each of the variants. */
export function contract(
  variants: readonly Variant[],
  title: string,
  run: (t: ExecutionContext, variant: Variant) => unknown,
): void {
  for (const variant of variants) test(`${variant.name}: ${title}`, async t => void (await run(t, variant)))
}

/** Makes an accepted peer send back what it gets. */
export const echo = (peer: Peer): void => {
  peer.whenData = (buffer, start, end) => peer.connection.write(Data.borrow(buffer, start, end))
  peer.whenEnded = () => peer.connection.end()
}
