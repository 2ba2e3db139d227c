import { TrafficError } from '../../../runtime/errors.ts'
import { Data, type Event, isEvent, Kind, Message } from '../../../runtime/event.ts'
import { type Resolved, show, size } from '../../../runtime/options.ts'
import type { Context } from '../../context.ts'
import { Filter } from '../../filter.ts'
import type { Callback, FilterDefinition } from '../definition.ts'
import { emitReplacement } from '../replacement.ts'

const options = {
  maxRead: size(
    16 * 1024 * 1024,
    'Bytes that a state may ask for at once into a buffer. Bounds what a length field that lies can cost.',
  ),
} as const

type Settings = Resolved<typeof options>

/** A byte, -1 after bytes that were passed on, or the buffer that was filled. */
type Input = number | Data | number[]
type State = (input: Input, ctx: Context) => unknown

/** States that may follow one another without reading anything: more of them are a circle. */
const mostIdleSteps = 100

const refuse = (message: string): never => {
  throw new TrafficError('RuntimeError', `deframe: ${message}`)
}

/** Runs the script's state machine over the bytes. */
class Deframe extends Filter {
  private readonly states: ReadonlyMap<string, unknown>
  private readonly initial: string
  private readonly settings: Settings
  private state: string
  /** Bytes that are still to be read into the buffer, or passed on when there is none. */
  private left = 0
  private buffer: Data | number[] | null = null

  constructor(states: ReadonlyMap<string, unknown>, initial: string, settings: Settings) {
    super()
    this.states = states
    this.initial = initial
    this.state = initial
    this.settings = settings
  }

  process(event: Event): void {
    if (event.kind === Kind.data) this.read(event.clone())
    else if (event.kind === Kind.streamEnd) {
      this.state = this.initial
      this.left = 0
      this.buffer = null
      this.next.process(event)
    }
  }

  private read(data: Data): void {
    while (data.size > 0) {
      if (this.left > 0) {
        const bytes = data.shift(this.left)
        this.left -= bytes.size
        if (this.buffer === null) this.next.process(bytes)
        else if (this.buffer instanceof Data) this.buffer.push(bytes)
        else for (const byte of bytes.bytes()) this.buffer.push(byte)
        if (this.left > 0) return
        const { buffer } = this
        this.buffer = null
        this.step(buffer ?? -1)
      } else {
        const byte = data.buffer[data.start] as number
        data.start++
        this.step(byte)
      }
    }
  }

  private step(input: Input): void {
    let next: Input | undefined = input
    for (let idle = 0; next !== undefined; idle++) {
      if (idle > mostIdleSteps) refuse(`state '${this.state}' has been led to ${idle} times without a byte`)
      next = this.stepOnce(next)
    }
  }

  /** Gives what the next state is called with at once, when it has asked for no bytes at all. */
  private stepOnce(input: Input): Input | undefined {
    const state = this.states.get(this.state)
    const result = typeof state === 'function' ? (state as State)(input, this.pipeline.context) : state
    if (!Array.isArray(result)) {
      this.go(result)
      return undefined
    }
    let at = 0
    while (isEvent(result[at]) || result[at] instanceof Message) emitReplacement(result[at++], this.next)
    this.go(result[at])
    return this.ask(result[at + 1], result[at + 2])
  }

  private go(state: unknown): void {
    if (typeof state !== 'string' || !this.states.has(state))
      refuse(
        `state '${this.state}' leads to ${show(state)}, which is none of ${[...this.states.keys()].join(', ')}`,
      )
    this.state = state as string
  }

  private ask(bytes: unknown, buffer: unknown): Input | undefined {
    if (bytes === undefined || bytes === null) return undefined
    if (!Number.isSafeInteger(bytes) || (bytes as number) < 0)
      refuse(`a state wants to read ${show(bytes)} bytes`)
    const into = buffer ?? null
    if (into !== null && !(into instanceof Data) && !Array.isArray(into))
      refuse(`bytes are read into a Data or an array, and not into ${show(buffer)}`)
    if (into !== null && (bytes as number) > this.settings.maxRead)
      throw new TrafficError(
        'BufferOverflow',
        `deframe: a state wants to read ${bytes} bytes at once (maxRead ${this.settings.maxRead})`,
      )
    if (bytes === 0) return (into as Data | number[] | null) ?? -1
    this.left = bytes as number
    this.buffer = into as Data | number[] | null
    return undefined
  }
}

export const deframe: FilterDefinition = {
  name: 'deframe',
  aliases: [],
  signature: '(states[, options])',
  summary: 'Reads a protocol with a state machine of the script',
  doc: 'Runs the bytes of the stream through states, the first of which is the first named. A state is a callback (input, ctx), asked with the next byte, which gives the name of the next state, or an array: events to put out, the name of the next state, and if wanted a number of bytes to read first and what to read them into, a Data or an array, which is then the input of the next state. Without a buffer that many bytes are passed on, and the input is -1. A state may also be such an array or name itself. Messages that come in are dropped but for their bytes.',
  accepts: 'any',
  emits: 'any',
  options,
  example:
    '$.deframe({ length: n => [new MessageStart(), "body", n], body: () => [new MessageEnd(), "length"] })',
  build: call => {
    const given = call.takeTarget()
    if (typeof given !== 'object' || given === null || Object.keys(given).length === 0)
      throw new TrafficError(
        'BadOption',
        `deframe wants an object of states, as in { start: byte => … }, and got ${show(given)}`,
      )
    const states = new Map(
      Object.entries(given).map(([name, state]) => [
        name,
        typeof state === 'function' ? call.inContext(state as Callback) : (state as unknown),
      ]),
    )
    const initial = [...states.keys()][0] as string
    const settings = call.options(options)
    return { name: 'deframe', create: () => new Deframe(states, initial, settings) }
  },
}
