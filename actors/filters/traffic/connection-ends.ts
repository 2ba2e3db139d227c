import { Buffer } from 'node:buffer'
import type { Inbound } from '../../inbound.ts'
import type { Exchange } from './exchange.ts'
import { textToJSON } from './json-writer.ts'

/** By connection, since all its exchanges have the same. */
const ends = new WeakMap<Inbound, Buffer>()

/** Both ends of a connection, as members of a document with a comma in front, in ASCII. */
export function endsOf(inbound: Inbound): Buffer {
  let json = ends.get(inbound)
  if (json === undefined) {
    json = Buffer.from(writeEnds(inbound, '', '', ''))
    ends.set(inbound, json)
  }
  return json
}

/** The same, with what went through a tunnel both ways. */
export function tunnelEnds(inbound: Inbound, { receivedBytes, sentBytes }: Exchange): Buffer {
  const bytes = (count: number): string => `,"bytes":${count}`
  return Buffer.from(
    writeEnds(inbound, bytes(receivedBytes), bytes(sentBytes), bytes(receivedBytes + sentBytes)),
  )
}

function writeEnds(inbound: Inbound, source: string, destination: string, network: string): string {
  const { remoteAddress, remotePort, localAddress, localPort, tls } = inbound
  const type = remoteAddress.includes(':') ? 'ipv6' : 'ipv4'
  return (
    `,"source":${endOf(remoteAddress, remotePort, source)}` +
    `,"destination":${endOf(localAddress, localPort, destination)}` +
    `,"network":{"transport":"tcp","protocol":"http","type":"${type}"${network}}${tls === undefined ? '' : tlsOf(tls)}`
  )
}

function endOf(address: string, port: number, more: string): string {
  const text = textToJSON(address)
  return `{"address":"${text}","ip":"${text}","port":${port}${more}}`
}

function tlsOf(tls: NonNullable<Inbound['tls']>): string {
  const members = [
    tls.protocol === undefined ? '' : `"version":"${textToJSON(tls.protocol.replace(/^TLSv/, ''))}"`,
    tls.alpn === undefined ? '' : `"next_protocol":"${textToJSON(tls.alpn)}"`,
    tls.serverName === undefined
      ? ''
      : `"client":{"server_name":"${textToJSON(tls.serverName.replace(/[^ -~]/g, '?'))}"}`,
  ].filter(member => member !== '')
  return `,"tls":{"established":true${members.map(member => `,${member}`).join('')}}`
}
