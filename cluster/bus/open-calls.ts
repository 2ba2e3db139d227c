import { TrafficError } from '../../runtime/errors.ts'

/**
 * Calls that await an answer of the server. The answers to those that are open when the connection breaks never come, and
 * nobody should wait for them until a deadline: a heartbeat would come too late. Whether they were done nobody knows.
 */
export class OpenCalls {
  private readonly open = new Set<(error: TrafficError) => void>()

  run<T>(call: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.open.add(reject)
      call.then(resolve, reject).finally(() => this.open.delete(reject))
    })
  }

  /** One that sees to its answer itself is told by this when the connection breaks, until it is removed. */
  add(fail: (error: TrafficError) => void): void {
    this.open.add(fail)
  }

  remove(fail: (error: TrafficError) => void): void {
    this.open.delete(fail)
  }

  lost(): void {
    const open = [...this.open]
    this.open.clear()
    for (const reject of open)
      reject(new TrafficError('ClusterError', 'the connection to NATS was lost before the answer came'))
  }
}
