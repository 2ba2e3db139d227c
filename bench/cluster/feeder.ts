/** Writes lines to a port for some seconds, as fast as they are read: `feeder.ts <port> <seconds> <bytes>`. */
import { connect } from 'node:net'

const [port, seconds, bytes] = process.argv.slice(2).map(Number) as [number, number, number]
const line = `${'x'.repeat(bytes - 1)}\n`
const chunk = Buffer.from(line.repeat(Math.ceil(65_536 / bytes)))
const socket = connect(port, '127.0.0.1')
const endMs = performance.now() + seconds * 1000

function write(): void {
  while (performance.now() < endMs) if (!socket.write(chunk)) return
  socket.end()
}

socket.on('connect', write).on('drain', write)
