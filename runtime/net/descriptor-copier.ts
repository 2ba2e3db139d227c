/**
 * Second descriptors of sockets, which Node cannot make by itself: the kernel makes one when a socket is sent over a
 * Unix socket (SCM_RIGHTS), and nothing says that it must be sent to another process. Linux only, on handles that
 * are no public interface of Node.
 */

import { randomUUID } from 'node:crypto'
import type { Handle } from './tcp-binding.ts'

interface PipeHandle extends Omit<Handle, 'bind' | 'connect' | 'onread' | 'onconnection'> {
  onread?: (buffer: unknown) => void
  onconnection?: (status: number, client: PipeHandle) => void
  /** The handle that came with the bytes read last. */
  pendingHandle?: Handle | null
  bind(name: string): number
  connect(request: object, name: string): number
  writeUtf8String(request: object, text: string, handle: Handle): number
}

interface PipeBinding {
  readonly Pipe: new (type: number) => PipeHandle
  readonly PipeConnectWrap: new () => { oncomplete?: (status: number) => void }
  readonly constants: { readonly SOCKET: number; readonly SERVER: number; readonly IPC: number }
}

interface StreamBinding {
  readonly WriteWrap: new () => { oncomplete?: (status: number) => void }
}

export class DescriptorCopier {
  private readonly sender: PipeHandle
  private readonly receiver: PipeHandle
  /**
   * Handles whose descriptor belongs to someone else now. Closing one would close a number that is not ours, or that
   * stands for another file by then, so they stay open: about 1 kB each, one per listener and start of a thread. Node
   * closes them when this thread ends, which on the main thread is the end of the process, when it does no harm; so
   * this must not be used on another thread.
   */
  private readonly givenAway: unknown[]
  /** Copies are made one after the other, so that each answer is known by its place. */
  private last: Promise<unknown> = Promise.resolve()
  private readonly WriteRequest: StreamBinding['WriteWrap']

  private constructor(ends: { sender: PipeHandle; receiver: PipeHandle; accepted: PipeHandle }) {
    this.sender = ends.sender
    this.receiver = ends.receiver
    this.givenAway = [ends.accepted]
    this.WriteRequest = bindingOf<StreamBinding>('stream_wrap').WriteWrap
    // Reading without a copy to be awaited must not keep the process alive.
    this.receiver.unref()
    this.sender.unref()
    this.receiver.readStart()
  }

  static async open(): Promise<DescriptorCopier> {
    const { Pipe, PipeConnectWrap, constants } = bindingOf<PipeBinding>('pipe_wrap')
    const { promise, resolve, reject } = Promise.withResolvers<PipeHandle>()
    const server = new Pipe(constants.SERVER)
    const sender = new Pipe(constants.IPC)
    const check = (status: number, doing: string): void => {
      if (status < 0) throw new Error(`cannot copy descriptors: ${doing} gave ${status}`)
    }
    try {
      // An abstract name (it starts with NUL) leaves no file behind; nobody else can guess it while it exists.
      const name = `\0sluice-${randomUUID()}`
      server.onconnection = (status, client) =>
        status < 0 ? reject(new Error(`accept gave ${status}`)) : resolve(client)
      check(server.bind(name), 'bind')
      check(server.listen(1), 'listen')
      const request = new PipeConnectWrap()
      request.oncomplete = status => {
        if (status < 0) reject(new Error(`connect gave ${status}`))
      }
      check(sender.connect(request, name), 'connect')
      const accepted = await promise
      // Node accepts pipes only as ones that cannot receive descriptors, so the same one is opened as one that can.
      const receiver = new Pipe(constants.IPC)
      check(receiver.open(accepted.fd), 'open')
      return new DescriptorCopier({ sender, receiver, accepted })
    } catch (thrown) {
      sender.close()
      throw thrown
    } finally {
      server.close()
    }
  }

  /** A new descriptor of the same socket, which the caller (or the thread it is told to) owns and closes. */
  copy(handle: Handle): Promise<number> {
    const copied = this.last.then(() => this.copyNow(handle))
    this.last = copied.catch(() => {})
    return copied
  }

  private copyNow(handle: Handle): Promise<number> {
    return new Promise((resolve, reject) => {
      const fail = (status: number): void => {
        this.receiver.unref()
        reject(new Error(`cannot copy a descriptor: ${status}`))
      }
      this.receiver.ref()
      this.receiver.onread = () => {
        const received = this.receiver.pendingHandle
        if (received === undefined || received === null) return
        this.receiver.pendingHandle = null
        this.receiver.unref()
        this.givenAway.push(received)
        resolve(received.fd)
      }
      const request = new this.WriteRequest()
      request.oncomplete = status => {
        if (status < 0) fail(status)
      }
      const status = this.sender.writeUtf8String(request, '.', handle)
      if (status < 0) fail(status)
    })
  }

  close(): void {
    this.sender.close()
    this.receiver.close()
  }
}

const bindingOf = <T>(name: string): T => (process as unknown as { binding(name: string): T }).binding(name)
