/** Large bodies, sent and received without holding them. */

import { Buffer } from 'node:buffer'
import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import type { TcpClient } from './tcp-client.ts'

const chunk = Buffer.alloc(64 * 1024, 'bulk')

/** Bytes on their way through a socket. */
export class Bulk {
  /** Bytes sent or received so far. */
  bytes = 0
  readonly done: Promise<void>

  private constructor(run: (bulk: Bulk, done: () => void) => void) {
    this.done = new Promise(resolve => run(this, resolve))
  }

  /** Sends so many bytes, as fast as the socket takes them, until it closes. */
  static send(socket: Socket, size: number): Bulk {
    return new Bulk((bulk, done) => {
      const pump = (): void => {
        while (bulk.bytes < size && !socket.destroyed) {
          const part = size - bulk.bytes < chunk.length ? chunk.subarray(0, size - bulk.bytes) : chunk
          bulk.bytes += part.length
          if (!socket.write(part)) return
        }
        done()
      }
      socket.on('drain', pump).on('close', done)
      pump()
    })
  }

  /**
   * Counts what is received, from behind the head that has come, until it is so much or the peer ends.
   *
   * @param bytesPerSecond to read on average; Infinity: as fast as it comes
   */
  static receive(client: TcpClient, size: number, bytesPerSecond = Number.POSITIVE_INFINITY): Bulk {
    return new Bulk((bulk, done) => {
      const { socket } = client
      const startMs = performance.now()
      const take = (bytes: number): void => {
        bulk.bytes += bytes
        if (bulk.bytes >= size) {
          client.tap = undefined
          done()
          return
        }
        const aheadMs = (bulk.bytes / bytesPerSecond) * 1000 - (performance.now() - startMs)
        if (aheadMs <= 0) return
        socket.pause()
        setTimeout(() => socket.resume(), aheadMs)
      }
      client.tap = chunk => take(chunk.length)
      socket.on('end', done).on('close', done)
      take(client.received.length - client.received.indexOf('\r\n\r\n') - 4)
      client.forget()
      socket.resume()
    })
  }
}

/** Bytes of memory that a process has at this moment, and had at most. */
export function memoryOf(pid: number): { readonly now: number; readonly peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const kilobytes = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1])
  return { now: kilobytes('VmRSS') * 1024, peak: kilobytes('VmHWM') * 1024 }
}
