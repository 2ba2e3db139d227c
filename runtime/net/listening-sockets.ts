/**
 * The listening sockets of the process, on the main thread.
 *
 * A thread that dies takes its sockets with it, and with the last descriptor of a listening socket go the connections
 * that wait in it: they are reset, and new ones are refused until a replacement listens. So the main thread makes the
 * sockets, one for each (address, port, slot), keeps them, and gives each thread a second descriptor of its own:
 *
 *     main:   bind ──► socket of slot 0 ◄── descriptor, owned by the thread in slot 0: listens, accepts
 *                      socket of slot 1 ◄── descriptor, owned by the thread in slot 1
 *
 * The socket goes on listening while its thread is being replaced; what arrives waits in the backlog for the next one.
 * A socket that nobody is going to accept from must be released, else clients wait in it for ever.
 */

import { isMainThread } from 'node:worker_threads'
import { TrafficError } from '../errors.ts'
import { formatAddress } from './address.ts'
import { DescriptorCopier } from './descriptor-copier.ts'
import { socketErrorOf } from './socket-errors.ts'
import type { Handle } from './tcp-binding.ts'
import type { Endpoint } from './transport.ts'

export interface SocketRequest {
  /** An IP address of this machine, or one that stands for all. */
  readonly address: string
  /** 0: any free port, the same one for all slots. */
  readonly port: number
  /** Which of the threads that share the port it is for. */
  readonly slot: number
  /** Whether other processes may listen on the port as well; else it is refused when one does. */
  readonly reusePort: boolean
}

export interface AcquiredSocket {
  /** For `ListenOptions.fd`. The thread that listens on it owns it. */
  readonly fd: number
  readonly port: number
}

/** The sockets of one address and port. */
interface Group {
  readonly address: string
  /** As asked for: 0 stays 0. */
  readonly requestedPort: number
  readonly port: number
  readonly slots: Map<number, Handle>
}

type Binding = typeof import('./tcp-binding.ts')

export class ListeningSockets {
  private groups: Group[] = []
  private binding: Promise<Binding> | undefined
  private copier: Promise<DescriptorCopier> | undefined
  private isClosed = false

  /**
   * Whether this can be done here: on Linux, and on the main thread only (see `DescriptorCopier.givenAway`). Where it
   * cannot, threads bind sockets of their own, and connections that arrive while one is replaced are refused.
   */
  static get isSupported(): boolean {
    const { binding } = process as { binding?: unknown }
    return isMainThread && process.platform === 'linux' && typeof binding === 'function'
  }

  /** A descriptor for the thread in a slot; a new one of the same socket each time. Rejects with `ListenFailed`. */
  async acquire(request: SocketRequest): Promise<AcquiredSocket> {
    if (!ListeningSockets.isSupported)
      throw new TrafficError('ListenFailed', `${where(request)}: sockets cannot be handed to threads here`)
    // Imported here, so that a Node without these handles can still load this file and read `isSupported`.
    this.binding ??= import('./tcp-binding.ts')
    const binding = await this.binding
    if (this.isClosed)
      throw new TrafficError('ListenFailed', `${where(request)}: the process is shutting down`)
    const group = this.groupOf(binding, request)
    let handle = group.slots.get(request.slot)
    if (handle === undefined) {
      handle = bind(binding, { address: request.address, port: group.port }, true)
      group.slots.set(request.slot, handle)
    }
    this.copier ??= DescriptorCopier.open()
    try {
      const copier = await this.copier
      return { fd: await copier.copy(handle), port: group.port }
    } catch (thrown) {
      throw new TrafficError('ListenFailed', `${where(request)}: ${(thrown as Error).message}`, thrown)
    }
  }

  private groupOf(binding: Binding, { address, port, slot, reusePort }: SocketRequest): Group {
    const known = this.groups.find(
      group => group.address === address && (group.requestedPort === port || group.port === port),
    )
    if (known !== undefined) return known
    // SO_REUSEPORT lets threads share a port, and any other program of this user as well. A socket without it shows
    // whether another has the port, which would take a part of our connections without a word.
    if (!reusePort && port !== 0) bind(binding, { address, port }, false).close()
    const first = bind(binding, { address, port }, true)
    const group = {
      address,
      requestedPort: port,
      port: portOf(first),
      slots: new Map([[slot, first]]),
    }
    this.groups.push(group)
    return group
  }

  /**
   * Gives the main thread's sockets of an address up: what still waits in one is reset when its thread closes its own
   * descriptor. For a port that a new script no longer has, and before threads stop listening at shutdown.
   */
  release(address: string, port: number): void {
    const isMeant = (group: Group): boolean =>
      group.address === address && (group.port === port || group.requestedPort === port)
    for (const group of this.groups.filter(isMeant)) closeAll(group)
    this.groups = this.groups.filter(group => !isMeant(group))
  }

  /** Gives all up. */
  close(): void {
    this.isClosed = true
    for (const group of this.groups) closeAll(group)
    this.groups = []
    this.copier?.then(
      copier => copier.close(),
      () => {},
    )
  }
}

function closeAll(group: Group): void {
  for (const handle of group.slots.values()) handle.close()
}

/** A bound socket that does not listen yet: whoever accepts from it says so. */
function bind(binding: Binding, { address, port }: Endpoint, shared: boolean): Handle {
  const handle = new binding.TCP(binding.socketType.server)
  const flags = shared ? binding.reusePortFlag : 0
  const status = address.includes(':')
    ? handle.bind6(address, port, flags)
    : handle.bind(address, port, flags)
  // libuv keeps EADDRINUSE for itself until `listen`; a socket that could not be bound shows by having no port.
  if (status === 0 && portOf(handle) !== 0) return handle
  handle.close()
  throw socketErrorOf(status === 0 ? 'EADDRINUSE' : status, 'listen', formatAddress(address, port))
}

function portOf(handle: Handle): number {
  const bound: Partial<Endpoint> = {}
  handle.getsockname(bound)
  return bound.port ?? 0
}

const where = ({ address, port }: SocketRequest): string => formatAddress(address, port)
