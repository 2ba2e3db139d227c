import { type ChildProcess, spawn } from 'node:child_process'
import { createSocket, type Socket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import { hostname } from 'node:os'
import { after, monotonicMs, wallMs } from '../../clock.ts'
import { TrafficError } from '../../errors.ts'
import { parseTarget } from '../../net/address.ts'
import { isText, optional, show } from '../../options.ts'
import { newline } from './stream-target.ts'
import { defaultBufferLimit, type LogTarget, logTargets, Tally } from './target.ts'

/** How urgent a record is; small letters do as well. */
export type SyslogPriority = 'EMERG' | 'ALERT' | 'CRIT' | 'ERR' | 'WARNING' | 'NOTICE' | 'INFO' | 'DEBUG'

/** By severity (RFC 5424 §6.2.1). */
const priorities: readonly SyslogPriority[] = [
  'EMERG',
  'ALERT',
  'CRIT',
  'ERR',
  'WARNING',
  'NOTICE',
  'INFO',
  'DEBUG',
]

export interface SyslogOptions {
  /** 'host:port' of a server that takes datagrams (RFC 5424). Default: the log of this machine. */
  address?: string | undefined
}

export const syslogOptions = {
  address: optional('text', "'host:port' of a server; the log of this machine by default", isText),
}

/** The facility 'user': programs that are no part of the system. */
const userFacility = 1
/** After a failure, records are dropped for so long before it is tried again. */
const retryMs = 1000

/** @throws TrafficError `BadOption` */
export function severityOf(priority: unknown): number {
  const names: Readonly<Record<string, string>> = { ERROR: 'ERR', WARN: 'WARNING' }
  const given = String(priority).toUpperCase()
  const severity =
    typeof priority === 'number' ? priority : priorities.indexOf((names[given] ?? given) as SyslogPriority)
  if (Number.isInteger(severity) && severity >= 0 && severity < priorities.length) return severity
  throw new TrafficError(
    'BadOption',
    `a priority of syslog is one of ${priorities.join(', ')}, and not ${show(priority)}`,
  )
}

/** Records to a syslog server by UDP, each a message as RFC 5424 has them. */
export class SyslogServerTarget implements LogTarget {
  private readonly host: string
  private readonly port: number
  private readonly header: (timeMs: number) => string
  private readonly tally: Tally
  private readonly socket: Socket
  private underWay = 0

  constructor(address: string, name: string, severity: number) {
    const { host, port } = parseTarget(address)
    this.host = host
    this.port = port
    const app = name.replace(/[^\x21-\x7e]/g, '_').slice(0, 48) || '-'
    const code = userFacility * 8 + severity
    this.header = timeMs =>
      `<${code}>1 ${new Date(timeMs).toISOString()} ${hostname()} ${app} ${process.pid} - - `
    this.tally = new Tally(`syslog ${address}`)
    this.socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4').unref()
    this.socket.on('error', () => {})
  }

  write(record: Buffer): void {
    if (this.underWay + record.length > defaultBufferLimit) {
      this.tally.drop(1, 'overflow')
      return
    }
    this.underWay += record.length
    this.socket.send([Buffer.from(this.header(wallMs())), record], this.port, this.host, error => {
      this.underWay -= record.length
      if (error) this.tally.drop(1, 'failed')
      else this.tally.wrote(1)
    })
  }

  async flush(limitMs: number): Promise<void> {
    const endMs = monotonicMs() + limitMs
    while (this.underWay > 0 && monotonicMs() < endMs)
      await new Promise<void>(resolve => void after(5, resolve))
  }
}

/**
 * Records to the log of this machine, through the command `logger`: Node cannot speak to the socket that syslog
 * listens on, and `logger` knows what there is in its place.
 */
export class SyslogTarget implements LogTarget {
  private readonly args: readonly string[]
  private readonly tally: Tally
  private child: ChildProcess | undefined
  private retryAtMs = 0

  constructor(name: string, severity: number) {
    this.args = ['-t', name, '-p', `user.${priorities[severity]?.toLowerCase()}`]
    this.tally = new Tally('syslog')
  }

  write(record: Buffer): void {
    const stdin = this.start()?.stdin
    if (!stdin) this.tally.drop(1, 'failed')
    else if (stdin.writableLength + record.length > defaultBufferLimit) this.tally.drop(1, 'overflow')
    else {
      stdin.write(Buffer.concat([record, newline]))
      this.tally.wrote(1)
    }
  }

  private start(): ChildProcess | undefined {
    if (this.child !== undefined) return this.child
    if (monotonicMs() < this.retryAtMs) return undefined
    const child = spawn('logger', this.args, { stdio: ['pipe', 'ignore', 'ignore'] })
    child.unref()
    const lost = (reason: string): void => {
      if (this.child !== child) return
      this.child = undefined
      this.retryAtMs = monotonicMs() + retryMs
      logTargets.diagnostics.warn(`The log of this machine cannot be written to: ${reason}`, {
        code: 'SyslogFailed',
      })
    }
    child.on('error', error => lost(error.message))
    child.on('exit', code => lost(`logger ended with ${code}`))
    child.stdin?.on('error', error => lost(error.message))
    this.child = child
    return child
  }

  flush(limitMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const cancel = after(limitMs, resolve)
    if (this.child?.stdin) this.child.stdin.write('', () => resolve())
    else resolve()
    return promise.finally(cancel)
  }
}
