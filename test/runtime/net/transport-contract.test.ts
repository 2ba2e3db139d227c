/** What every transport promises (runtime/net/transport.ts) about bytes and turns, asked of each of them. */

import { Buffer } from 'node:buffer'
import { Data } from '../../../runtime/data.ts'
import { CountedSource, connect, highWaterBytes, inTurn, pair, pattern, Server } from './support/peers.ts'
import { contract, echo, plainVariants, tlsVariants } from './support/variants.ts'

const all = [...plainVariants, ...tlsVariants]

contract(all, 'what is sent comes back, whole and in order', async (t, variant) => {
  const { client, server } = await pair(t, variant, echo)
  const sent: Buffer[] = []
  let total = 0
  for (let i = 0; i < 300; i++) {
    const bytes = pattern((i * 977) % 30_000, total)
    sent.push(bytes)
    total += bytes.length
    if (i % 3 === 0) client.connection.writeLatin1(bytes.toString('latin1'))
    else client.connection.write(new Data(bytes))
    if (i % 7 === 0) await client.untilReceived(Math.floor(total / 2))
  }
  await client.untilReceived(total)
  t.true(client.received.equals(Buffer.concat(sent)))
  t.is(client.connection.sentBytes, total)
  t.is(server.connection.receivedBytes, total)
  t.is(client.connection.queuedBytes, 0)
})

contract(all, 'the two ends agree on their addresses', async (t, variant) => {
  const { client, server, listening } = await pair(t, variant)
  t.deepEqual(client.connection.remote, { address: '127.0.0.1', port: listening.port })
  t.deepEqual(client.connection.remote, server.connection.local)
  t.deepEqual(client.connection.local, server.connection.remote)
  t.is(client.connection.tls === undefined, variant.listenTLS === undefined)
})

contract(
  all,
  'nothing is told before connect has returned, and what was written by then is sent',
  async (t, variant) => {
    const listening = await Server.listen(t, variant)
    const accepted = listening.next()
    const client = connect(t, variant, listening.port)
    t.deepEqual(client.told, [])
    client.connection.write(new Data('early '))
    client.connection.writeLatin1('words')
    const server = await accepted
    await server.untilReceived(11)
    t.is(server.text, 'early words')
    t.is(client.told[0], 'opened')
    t.false(server.told.includes('opened'), 'an accepted connection is open from the start')
  },
)

contract(all, 'a client that finished sending still gets its answer', async (t, variant) => {
  const { client, server } = await pair(t, variant)
  client.connection.writeLatin1('question')
  client.connection.end()
  await server.untilTold('ended')
  t.is(server.text, 'question')
  server.connection.writeLatin1('answer')
  await client.untilReceived(6)
  server.connection.end()
  await Promise.all([client.untilTold('closed'), server.untilTold('closed')])
  t.is(client.text, 'answer')
  t.deepEqual(client.told, ['opened', 'data', 'ended', 'closed'])
  t.deepEqual(server.told, ['data', 'ended', 'closed'])
  t.is(client.error, undefined)
  t.is(server.error, undefined)
})

contract(all, 'a server that finished sending still gets what the client sends', async (t, variant) => {
  const { client, server } = await pair(t, variant, peer => peer.connection.end())
  await client.untilTold('ended')
  client.connection.writeLatin1('last words')
  client.connection.end()
  await Promise.all([client.untilTold('closed'), server.untilTold('closed')])
  t.is(server.text, 'last words')
  t.deepEqual(client.told, ['opened', 'ended', 'closed'])
  t.is(client.error, undefined)
  t.is(server.error, undefined)
})

contract(all, 'the writes of one turn arrive in one piece', async (t, variant) => {
  const { client, server } = await pair(t, variant)
  const shared = Buffer.from('-borrowed-')
  inTurn(null, () => {
    client.connection.writeLatin1('GET / HTTP/1.1\r\n')
    client.connection.write(new Data('own'))
    client.connection.write(Data.borrow(shared, 0, shared.length))
    client.connection.writeLatin1('caf\xe9')
    client.connection.write(new Data('ü'))
    client.connection.write(new Data())
    t.is(client.connection.queuedBytes, 35)
  })
  await server.untilReceived(35)
  t.is(server.reads, 1)
  t.is(server.text, `GET / HTTP/1.1\r\nown-borrowed-caf\xe9${Buffer.from('ü').toString('latin1')}`)
})

contract(all, 'so do writes outside of any turn', async (t, variant) => {
  const { client, server } = await pair(t, variant)
  client.connection.writeLatin1('one ')
  client.connection.write(new Data('two '))
  client.connection.writeLatin1('three')
  await server.untilReceived(13)
  t.is(server.reads, 1)
  t.is(server.text, 'one two three')
})

contract(all, 'turns that take up two connections by turns send each its own', async (t, variant) => {
  const first = await pair(t, variant)
  const second = await pair(t, variant)
  inTurn(null, () => {
    for (let i = 0; i < 100; i++) {
      first.client.connection.write(new Data(`a${i}`))
      second.client.connection.writeLatin1(`b${i}`)
    }
  })
  const expected = (letter: string): string => Array.from({ length: 100 }, (_, i) => `${letter}${i}`).join('')
  await first.server.untilReceived(290)
  await second.server.untilReceived(290)
  t.is(first.server.text, expected('a'))
  t.is(second.server.text, expected('b'))
})

contract(all, 'a Data may be changed as soon as it has been written', async (t, variant) => {
  const { client, server } = await pair(t, variant)
  inTurn(null, () => {
    const data = new Data('whole')
    client.connection.write(data)
    data.shift(3)
    data.push('!')
  })
  await server.untilReceived(5)
  t.is(server.text, 'whole')
})

contract(all, 'borrowed bytes that the kernel does not take at once are copied', async (t, variant) => {
  const { client, server } = await pair(t, variant, peer => peer.connection.pause())
  const shared = Buffer.alloc(40_000)
  const pieces = 400
  for (let i = 0; i < pieces; i++) {
    inTurn(null, () => {
      pattern(shared.length, i * shared.length).copy(shared)
      client.connection.write(Data.borrow(shared, 0, shared.length))
    })
    shared.fill(0)
  }
  t.true(client.connection.queuedBytes > 0)
  server.connection.resume()
  await server.untilReceived(pieces * shared.length)
  t.true(server.received.equals(pattern(pieces * shared.length)))
})

contract(all, 'a large write followed by end arrives whole before the end', async (t, variant) => {
  const { client, server } = await pair(t, variant)
  const bytes = pattern(8_000_000)
  client.connection.write(Data.over(bytes))
  client.connection.end()
  await server.untilTold('ended')
  t.true(server.received.equals(bytes))
})

contract(
  all,
  'a source is paused while its bytes are queued, and the queue is bounded by that',
  async (t, variant) => {
    const { client, server } = await pair(t, variant, peer => peer.connection.pause())
    const { connection } = client
    const source = new CountedSource()
    const piece = 16 * 1024
    const pieces = 2000
    let sent = 0
    let longest = 0
    const produce = (): void => {
      while (!source.isPaused && sent < pieces) {
        inTurn(source, () => connection.write(Data.over(pattern(piece, piece * sent++))))
        longest = Math.max(longest, connection.queuedBytes)
      }
    }
    source.whenResumed = () => queueMicrotask(produce)
    produce()
    t.true(source.isPaused)
    t.is(source.pauses, 1)
    server.connection.resume()
    await server.untilReceived(pieces * piece)
    t.true(server.received.equals(pattern(pieces * piece)))
    t.true(longest > highWaterBytes && longest <= highWaterBytes + piece, `${longest} bytes`)
    await client.until(() => !source.isPaused)
    t.true(client.told.includes('drained'))
    t.is(source.pauses, source.resumes)
  },
)

contract(all, 'a source that writes on is paused only once', async (t, variant) => {
  const { client, server } = await pair(t, variant, peer => peer.connection.pause())
  const [one, two] = [new CountedSource(), new CountedSource()]
  for (let i = 0; i < 100; i++)
    for (const source of [one, two])
      inTurn(source, () => client.connection.write(Data.over(pattern(100_000, 200_000 * i))))
  t.is(one.pauses, 1)
  t.is(two.pauses, 1)
  server.connection.resume()
  await client.untilTold('drained')
  t.is(one.resumes, 1)
  t.is(two.resumes, 1)
  t.is(client.connection.queuedBytes, 0)
})

contract(all, 'an echo to a peer that does not read holds a bounded part of it', async (t, variant) => {
  let longest = 0
  const { client } = await pair(t, variant, peer => {
    echo(peer)
    const write = peer.whenData
    peer.whenData = (buffer, start, end) => {
      write?.(buffer, start, end)
      longest = Math.max(longest, peer.connection.queuedBytes)
    }
  })
  client.connection.pause()
  const bytes = pattern(16_000_000)
  client.connection.write(Data.over(bytes))
  const other = await pair(t, variant, echo)
  other.client.connection.write(Data.over(bytes))
  await other.client.untilReceived(bytes.length)
  t.is(client.connection.receivedBytes, 0)
  client.connection.resume()
  await client.untilReceived(bytes.length)
  t.true(client.received.equals(bytes))
  t.true(longest <= highWaterBytes + 64 * 1024, `${longest} bytes`)
})

contract(all, 'sources run again when the connection that paused them is gone', async (t, variant) => {
  const { client } = await pair(t, variant, peer => peer.connection.pause())
  const source = new CountedSource()
  while (!source.isPaused) inTurn(source, () => client.connection.write(Data.over(pattern(200_000))))
  client.connection.destroy()
  await client.untilTold('closed')
  t.is(source.resumes, 1)
  t.is(client.connection.queuedBytes, 0)
})

contract(all, 'pauses are counted: data comes when all are taken back', async (t, variant) => {
  const { client, server } = await pair(t, variant)
  client.connection.pause()
  client.connection.pause()
  server.connection.writeLatin1('held')
  client.connection.resume()
  const other = await pair(t, variant, echo)
  other.client.connection.writeLatin1('around')
  await other.client.untilReceived(6)
  t.is(client.reads, 0)
  client.connection.resume()
  await client.untilReceived(4)
  t.is(client.text, 'held')
  client.connection.resume()
  server.connection.writeLatin1(' on')
  await client.untilReceived(7)
})
