/**
 * nats.js alone, with the bytes of the bench: `bare.ts <send|receive> <url> <core|jetstream> <seconds> <bytes> <batch>`. A sender
 * sends for so long, no more ahead than a window, and says how many; a receiver counts until nothing has come for a second.
 */
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { packFrame } from '../../runtime/pool/frame.ts'

const [role, url, kind, seconds, bytes, batch] = process.argv.slice(2) as [
  string,
  string,
  string,
  ...string[],
]
const perMessage = Number(batch)
const subject = 'bench.bare'
const nats = await connect({ servers: url })
const exchange = (): unknown => ['', [{}, Buffer.alloc(Number(bytes), 'x'), null, null]]
const payload =
  perMessage === 1
    ? Buffer.alloc(Number(bytes), 'x')
    : packFrame(Array.from({ length: perMessage }, exchange))

if (role === 'send') await send()
else await receive()
await nats.close()

async function send(): Promise<void> {
  const endMs = performance.now() + Number(seconds) * 1000
  let sent = 0
  if (kind === 'jetstream') {
    const js = jetstream(nats)
    const lane = async (): Promise<void> => {
      while (performance.now() < endMs) {
        await js.publish(subject, payload)
        sent += perMessage
      }
    }
    await Promise.all(Array.from({ length: 64 }, lane))
  } else {
    // A flush every so often keeps what waits in memory small, and the receiver from being cut off.
    const perFlush = Math.max(1, Math.floor(2 ** 20 / payload.length))
    while (performance.now() < endMs) {
      for (let i = 0; i < perFlush; i++) nats.publish(subject, payload)
      sent += perFlush * perMessage
      await nats.flush()
    }
  }
  process.stdout.write(`${JSON.stringify({ sent })}\n`)
}

async function receive(): Promise<void> {
  let received = 0
  let firstMs = 0
  let lastMs = performance.now() + 5000
  const take = (): void => {
    if (received === 0) firstMs = performance.now()
    received += perMessage
    lastMs = performance.now()
  }
  let stop = (): void => {}
  if (kind === 'jetstream') {
    const manager = await jetstreamManager(nats)
    await manager.streams.add({
      name: 'bench-bare',
      subjects: [subject],
      retention: 'workqueue',
      max_bytes: 2 ** 29,
    })
    await manager.consumers.add('bench-bare', {
      durable_name: 'bare',
      ack_policy: 'explicit',
      max_ack_pending: 256,
    })
    const consumer = await jetstream(nats).consumers.get('bench-bare', 'bare')
    const messages = await consumer.consume({
      max_messages: 256,
      callback: message => {
        message.ack()
        take()
      },
    })
    stop = () => messages.stop()
  } else nats.subscribe(subject, { callback: take })
  await nats.flush()
  process.stdout.write('ready\n')
  await new Promise<void>(resolve => {
    const timer = setInterval(() => {
      if (performance.now() < lastMs + 1000) return
      clearInterval(timer)
      resolve()
    }, 50)
  })
  stop()
  process.stdout.write(`${JSON.stringify({ received, seconds: (lastMs - firstMs) / 1000 })}\n`)
}
