import { constants } from 'node:os'
import { every } from '../../runtime/clock.ts'
import { TrafficError } from '../../runtime/errors.ts'
import type { Event } from '../../runtime/event.ts'
import { MessageStart, messageEnd, StreamEnd } from '../../runtime/event.ts'
import { parseDuration, show } from '../../runtime/options.ts'
import { turn } from '../../runtime/turn.ts'
import type { Latin1 } from '../filter.ts'
import type { PipelineLayout } from '../pipeline.ts'
import type { Program, Source } from '../program.ts'
import { Session } from '../session.ts'
import { sourceRole } from './source-role.ts'

export const taskOptions = { role: sourceRole } as const

const shortestMs = 10
const longestMs = 24 * 3_600_000

/** No process hears of these. */
const unheard = ['SIGKILL', 'SIGSTOP']

const isSignal = (when: unknown): when is string =>
  typeof when === 'string' && Object.hasOwn(constants.signals, when) && !unheard.includes(when)

/** The session of one tick: it gets an empty message, and lives until its output has ended. */
class TaskSession extends Session {
  private readonly onEnded: () => void
  private isDraining = false

  constructor(program: Program, layout: PipelineLayout, onEnded: () => void) {
    super(program, layout, program.newContext(undefined))
    program.sessionStarted(this)
    this.onEnded = onEnded
    this.beginTrace('task')
  }

  start(): void {
    this.enter(new MessageStart(), null)
    this.enter(messageEnd, null)
  }

  override process(event: Event | Latin1): void {
    if (event.kind === 3) this.stop()
  }

  /** The stream ends at its input; what is under way may finish, and then it ends at its output as well. */
  override drain(): void {
    if (this.isDraining) return
    this.isDraining = true
    turn.begin(null)
    this.enter(new StreamEnd(), null)
    turn.end()
  }

  protected override stopped(): void {
    super.stopped()
    this.program.sessionEnded(this)
    this.onEnded()
  }
}

/**
 * A source that ticks: once at the start, by an interval of 10 ms to 24 h of which the first tick comes at once, or
 * whenever the process gets a signal (in each thread). A
 * tick is left out while the session of the one before has not ended, which it does with a StreamEnd at its output.
 * When the program winds down, a task that repeats ticks once more after all traffic is over.
 */
export class TaskSource implements Source {
  readonly listening = undefined
  private readonly program: Program
  private readonly layout: PipelineLayout
  private readonly intervalMs: number
  private readonly signal: string | undefined
  private current: TaskSession | undefined
  private cancel: (() => void) | undefined

  /** @throws TrafficError `BadOption` when `when` is neither an interval nor a signal. */
  constructor(program: Program, layout: PipelineLayout, when: string | number | undefined) {
    const signal = isSignal(when) ? when : undefined
    const intervalMs = when === undefined || when === '' || signal !== undefined ? 0 : parseDuration(when)
    if (
      intervalMs === undefined ||
      (intervalMs !== 0 && (intervalMs < shortestMs || intervalMs > longestMs))
    ) {
      throw new TrafficError(
        'BadOption',
        `task wants an interval of 10ms to 24h (a number is seconds), a signal like 'SIGUSR2', or nothing to run once, and got ${show(when)}`,
      )
    }
    this.program = program
    this.layout = layout
    this.intervalMs = intervalMs
    this.signal = signal
  }

  async start(): Promise<void> {
    const { signal } = this
    if (signal !== undefined) {
      this.cancel = this.program.surroundings.onSignal?.(signal, () => this.tick())
      return
    }
    if (this.intervalMs > 0) this.cancel = every(this.intervalMs, () => this.tick())
    this.tick()
  }

  private tick(): void {
    if (this.current !== undefined) return
    turn.begin(null)
    this.current = new TaskSession(this.program, this.layout, () => {
      this.current = undefined
    })
    this.current.start()
    turn.end()
  }

  stop(): void {
    this.cancel?.()
    this.cancel = undefined
  }

  /** One last tick of a task that repeats, so that what it gathers since the one before is not lost. */
  finish(): void {
    if (this.intervalMs === 0) return
    this.tick()
    // Nothing else comes: a session that does not end by itself ends with what it has.
    this.current?.drain()
  }
}
