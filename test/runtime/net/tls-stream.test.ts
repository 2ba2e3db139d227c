/** TLS over events: two streams in memory, whose encrypted bytes the test carries from one to the other. */

import test from 'ava'
import { Data } from '../../../runtime/data.ts'
import type { TrafficError } from '../../../runtime/errors.ts'
import { secureContextOf } from '../../../runtime/net/tls-context.ts'
import { type TLSHandshake, TLSStream, type TLSStreamUser } from '../../../runtime/net/tls-stream.ts'
import { turn } from '../../../runtime/turn.ts'
import { until } from '../../support/proxy.ts'
import { TestSource } from '../../support/stream.ts'
import { makeCertificates } from './support/certificates.ts'

const { ca, server } = makeCertificates()

/** One end: what it encrypts goes to the other, as long as nobody holds it back. */
class End implements TLSStreamUser {
  stream!: TLSStream
  peer!: End
  handshake: TLSHandshake | undefined
  error: TrafficError | undefined
  received = 0
  text = ''
  hasEnded = false
  /** Encrypted bytes that went out. */
  carried = 0
  /** When set, whoever gives this end bytes is paused once. */
  holdsEncrypted = false
  holdsDecrypted = false
  held: { pause(): void; resume(): void } | null = null

  encrypted(bytes: Buffer): void {
    this.carried += bytes.length
    if (this.holdsEncrypted && this.held === null) this.hold()
    this.peer.stream.receive(Data.over(bytes))
  }

  private hold(): void {
    this.held = turn.source
    this.held?.pause()
  }

  letGo(): void {
    this.holdsEncrypted = false
    this.holdsDecrypted = false
    this.held?.resume()
    this.held = null
  }

  encryptedEnd(): void {
    this.peer.stream.receiveEnd()
  }

  secured(handshake: TLSHandshake): void {
    this.handshake = handshake
  }

  decrypted(bytes: Buffer): void {
    this.received += bytes.length
    if (bytes.length < 100) this.text += bytes.toString()
    if (this.holdsDecrypted && this.held === null) this.hold()
  }

  decryptedEnd(): void {
    this.hasEnded = true
  }

  failed(error: TrafficError): void {
    this.error = error
  }

  /** Writes in a turn of `source`. */
  write(text: string, source = new TestSource()): TestSource {
    turn.begin(source)
    this.stream.write(new Data(text))
    turn.end()
    return source
  }
}

async function pair(): Promise<{ near: End; far: End }> {
  const near = new End()
  const far = new End()
  near.peer = far
  far.peer = near
  far.stream = TLSStream.server(far, 'the client', {
    secureContext: secureContextOf(server),
    asksCertificate: false,
    demandsCertificate: false,
    alpn: [],
  })
  near.stream = TLSStream.client(near, 'the server', {
    secureContext: secureContextOf({ ca }),
    serverName: 'localhost',
    alpn: [],
  })
  await until(() => near.handshake !== undefined && far.handshake !== undefined)
  return { near, far }
}

test('the ends agree, and bytes and the end of each direction pass', async t => {
  const { near, far } = await pair()
  t.is(near.handshake?.distrust, undefined)
  t.is(near.handshake?.peer?.subject, 'CN=localhost')
  t.is(far.handshake?.serverName, 'localhost')
  near.write('hello')
  await until(() => far.text === 'hello')
  near.stream.end()
  await until(() => far.hasEnded)
  t.false(near.hasEnded)
  far.write('late')
  far.stream.end()
  await until(() => near.hasEnded)
  t.is(near.text, 'late')
  t.deepEqual([near.error, far.error], [undefined, undefined])
})

test('when encrypted bytes are not wanted, who writes is paused, and goes on later', async t => {
  const { near, far } = await pair()
  near.holdsEncrypted = true
  const piece = 'x'.repeat(64 * 1024)
  const sources: TestSource[] = []
  // Far more than the TLSSocket holds: it must have come to a stop long before.
  for (let i = 0; i < 64; i++) sources.push(near.write(piece))
  t.true(sources.at(-1)?.isPaused)
  const { carried } = near
  await new Promise(resolve => setImmediate(() => setImmediate(resolve)))
  t.true(near.carried - carried <= 2 * piece.length)
  near.letGo()
  await until(() => far.received === 64 * piece.length)
  await until(() => sources.every(source => !source.isPaused))
  t.pass()
})

test('when decrypted bytes are not wanted, who sends the encrypted ones is paused, and goes on later', async t => {
  const { near, far } = await pair()
  far.holdsDecrypted = true
  const piece = 'x'.repeat(64 * 1024)
  near.write(piece.repeat(32))
  await until(() => far.held !== null)
  for (let i = 0; i < 20; i++) await new Promise(resolve => setImmediate(resolve))
  t.true(far.received < 16 * piece.length, `${far.received} bytes came through`)
  far.letGo()
  await until(() => far.received === 32 * piece.length)
  t.pass()
})

test('after destroy nothing is told, and who was paused goes on', async t => {
  const { near, far } = await pair()
  near.holdsEncrypted = true
  const source = near.write('x'.repeat(1024 * 1024))
  t.true(source.isPaused)
  near.stream.destroy()
  t.false(source.isPaused)
  far.stream.destroy()
  far.write('more')
  await new Promise(resolve => setImmediate(resolve))
  t.deepEqual([near.error, far.error, near.received], [undefined, undefined, 0])
})

test('an end of the wire within the handshake is told as what it is', async t => {
  const end = new End()
  end.peer = end
  end.stream = TLSStream.server(end, 'the client', {
    secureContext: secureContextOf(server),
    asksCertificate: false,
    demandsCertificate: false,
    alpn: [],
  })
  end.stream.receive(new Data('\x16\x03\x01', 'latin1'))
  end.stream.receiveEnd()
  await until(() => end.error !== undefined)
  t.is(end.error?.code, 'ConnectionReset')
  t.regex(end.error?.message ?? '', /the client closed the connection during the TLS handshake/)
})
