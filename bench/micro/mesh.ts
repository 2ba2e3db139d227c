/**
 * How many items a second go from one thread to another through the mesh, by items per turn, there and back.
 *
 *     node bench/micro/mesh.ts [items]
 */
import { fileURLToPath } from 'node:url'
import { isMainThread, MessageChannel, type MessagePort, parentPort, Worker } from 'node:worker_threads'
import { Mesh } from '../../runtime/pool/mesh.ts'
import { turn } from '../../runtime/turn.ts'

interface Start {
  readonly port: MessagePort
}

if (isMainThread) await measure(Number(process.argv[2] ?? 400_000))
else parentPort?.once('message', ({ port }: Start) => echo(port))

/** The other thread: sends everything back, as it came. */
function echo(port: MessagePort): void {
  const mesh = new Mesh(1)
  mesh.onItems((from, _incarnation, items) => {
    for (const item of items) mesh.send(from, item)
  })
  mesh.connect(0, 1, port)
  parentPort?.ref()
  parentPort?.on('message', () => process.exit(0))
}

async function measure(items: number): Promise<void> {
  const worker = new Worker(fileURLToPath(import.meta.url))
  const { port1, port2 } = new MessageChannel()
  worker.postMessage({ port: port2 } satisfies Start, [port2])
  const mesh = new Mesh(0)
  let received = 0
  let onProgress = (): void => {}
  mesh.onItems((_from, _incarnation, batch) => {
    received += batch.length
    onProgress()
  })
  mesh.connect(1, 1, port1)
  const item = { to: 'log/7', from: 'session/123', seq: 1, body: new Uint8Array(100) }
  const sendTurn = (count: number): void => {
    turn.begin(null)
    for (let i = 0; i < count; i++) mesh.send(1, item)
    turn.end()
  }
  const rows: { perTurn: number; itemsPerSecond: number }[] = []
  for (const perTurn of [1, 1, 16, 64, 256]) {
    const { promise, resolve } = Promise.withResolvers<void>()
    received = 0
    let sent = 0
    // 1024 items on the way, as a credit window would allow.
    onProgress = () => {
      while (sent < items && sent - received < 1024) {
        sendTurn(perTurn)
        sent += perTurn
      }
      if (received >= items) resolve()
    }
    const start = performance.now()
    onProgress()
    await promise
    rows.push({ perTurn, itemsPerSecond: Math.round(received / ((performance.now() - start) / 1000)) })
  }
  // The first row warms up.
  process.stdout.write(`${JSON.stringify(rows.slice(1), undefined, 1)}\n`)
  worker.postMessage('end')
}
