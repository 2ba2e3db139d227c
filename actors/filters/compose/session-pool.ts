import { Deadline } from '../../../runtime/clock.ts'

/** A shared session as its pool sees it. */
export interface PooledSession {
  /** Ends the session now. */
  dispose(): void
}

/** Keys of pools: values, or objects held weakly, so that a pool keyed by `__inbound` goes with the connection. */
export class PoolMap<P> {
  private readonly byValue = new Map<unknown, P>()
  private readonly byObject = new WeakMap<object, P>()

  get(key: unknown): P | undefined {
    return isObject(key) ? this.byObject.get(key) : this.byValue.get(key)
  }

  set(key: unknown, pool: P): void {
    if (isObject(key)) this.byObject.set(key, pool)
    else this.byValue.set(key, pool)
  }

  delete(key: unknown): void {
    if (isObject(key)) this.byObject.delete(key)
    else this.byValue.delete(key)
  }
}

const isObject = (key: unknown): key is object =>
  (typeof key === 'object' && key !== null) || typeof key === 'function'

/** Someone who waits for a session because there are as many as allowed. */
export interface Waiting<S> {
  take(session: S): void
  /** There is none, and one may be made. */
  open(): void
}

/**
 * The sessions of one key: idle ones are used again, the last used first, so that those not needed grow old and end.
 */
export class SessionPool<S extends PooledSession> {
  private readonly idle: S[] = []
  private readonly deadlines = new Map<S, Deadline>()
  private readonly waiting: Waiting<S>[] = []
  private open = 0
  /** What the sessions are started with. */
  readonly key: unknown
  private readonly maxIdleMs: number
  private readonly maxSessions: number
  private readonly tellEmpty: (isEmpty: boolean) => void

  /**
   * @param maxIdleMs an idle session ends after so long; negative: it stays until its other side ends it
   * @param maxSessions sessions at one time; 0: as many as there are exchanges
   * @param tellEmpty called with false for the first session and with true when there is none left: a pool is only to
   *   be found by its key in between, so that keys that come from clients do not pile up
   */
  constructor(key: unknown, maxIdleMs: number, maxSessions: number, tellEmpty: (isEmpty: boolean) => void) {
    this.key = key
    this.maxIdleMs = maxIdleMs
    this.maxSessions = maxSessions
    this.tellEmpty = tellEmpty
  }

  get hasRoom(): boolean {
    return this.maxSessions === 0 || this.open < this.maxSessions
  }

  takeIdle(): S | undefined {
    const session = this.idle.pop()
    if (session !== undefined && this.maxIdleMs >= 0) this.deadlines.get(session)?.clear()
    return session
  }

  /** Takes an idle session out, for as long as it is of no use. */
  withdraw(session: S): void {
    const at = this.idle.indexOf(session)
    if (at >= 0) this.idle.splice(at, 1)
    this.deadlines.get(session)?.clear()
  }

  /** Whether someone waits for a session. */
  get isAwaited(): boolean {
    return this.waiting.length > 0
  }

  wait(waiting: Waiting<S>): void {
    this.waiting.push(waiting)
  }

  cancel(waiting: Waiting<S>): void {
    const at = this.waiting.indexOf(waiting)
    if (at >= 0) this.waiting.splice(at, 1)
  }

  added(): void {
    if (this.open++ === 0) this.tellEmpty(false)
  }

  /** A session is free for the next exchange. */
  release(session: S): void {
    const next = this.waiting.shift()
    if (next !== undefined) {
      next.take(session)
      return
    }
    this.idle.push(session)
    if (this.maxIdleMs < 0) return
    let deadline = this.deadlines.get(session)
    if (deadline === undefined) {
      deadline = new Deadline(this.maxIdleMs, () => {
        if (this.idle.includes(session)) session.dispose()
      })
      this.deadlines.set(session, deadline)
    }
    deadline.touch()
  }

  /** A session is gone, idle or not. */
  removed(session: S): void {
    this.open--
    this.withdraw(session)
    this.deadlines.delete(session)
    if (this.hasRoom) this.waiting.shift()?.open()
    if (this.open === 0) this.tellEmpty(true)
  }
}
