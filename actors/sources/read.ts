import type { Buffer } from 'node:buffer'
import { createReadStream, type ReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { TrafficError } from '../../runtime/errors.ts'
import { Data, type Event, Kind, StreamEnd } from '../../runtime/event.ts'
import { show } from '../../runtime/options.ts'
import { type Source as Producer, turn } from '../../runtime/turn.ts'
import type { Context } from '../context.ts'
import type { Latin1 } from '../filter.ts'
import type { PipelineLayout } from '../pipeline.ts'
import type { Program, Source } from '../program.ts'
import { Session } from '../session.ts'

/** The session of a file: its bytes go in, then the end of the stream. It lives until its output has ended. */
export class ReadSession extends Session {
  private readonly onStopped: (() => void) | undefined
  private readonly stream: ReadStream
  private readonly producer: Producer
  private inputEnded = false

  constructor(
    program: Program,
    layout: PipelineLayout,
    stream: ReadStream,
    context: Context = program.newContext(undefined),
    onStopped?: () => void,
  ) {
    super(program, layout, context)
    program.sessionStarted(this)
    this.onStopped = onStopped
    this.stream = stream
    this.producer = producerOf(stream)
    stream.on('data', bytes => this.take(Data.over(bytes as Buffer)))
    stream.on('end', () => this.endInput(undefined))
    stream.on('error', error => this.endInput(new TrafficError('ReadError', error.message, error)))
  }

  private take(event: Event): void {
    turn.begin(this.producer)
    if (!this.inputEnded) this.enter(event, null)
    turn.end()
  }

  private endInput(fault: TrafficError | undefined): void {
    if (this.inputEnded) return
    this.take(new StreamEnd(fault))
    this.inputEnded = true
  }

  override process(event: Event | Latin1): void {
    if (event.kind === Kind.streamEnd) this.stop()
  }

  /** What is left of the file is not read. */
  override drain(): void {
    this.endInput(undefined)
    this.stream.destroy()
  }

  protected override stopped(): void {
    this.inputEnded = true
    this.stream.destroy()
    super.stopped()
    this.program.sessionEnded(this)
    this.onStopped?.()
  }
}

/** The file, as something to pause for those that its bytes go to. */
function producerOf(stream: ReadStream): Producer {
  let pauses = 0
  return {
    pause: () => {
      if (pauses++ === 0) stream.pause()
    },
    resume: () => {
      if (--pauses === 0) stream.resume()
    },
  }
}

/** A source that reads a file once, when the program starts (in each thread). */
export class ReadSource implements Source {
  readonly listening = undefined
  private readonly program: Program
  private readonly layout: PipelineLayout
  private readonly file: string

  /** @throws TrafficError `BadOption` */
  constructor(program: Program, layout: PipelineLayout, file: unknown) {
    if (typeof file !== 'string' || file === '')
      throw new TrafficError('BadOption', `read wants the path of a file, and got ${show(file)}`)
    this.program = program
    this.layout = layout
    this.file = file
  }

  /** A file that cannot be opened keeps the program from starting. */
  async start(): Promise<void> {
    try {
      const handle = await open(this.file)
      new ReadSession(this.program, this.layout, createReadStream('', { fd: handle }))
    } catch (thrown) {
      throw new TrafficError('ReadError', (thrown as Error).message, thrown)
    }
  }

  stop(): void {}
}
