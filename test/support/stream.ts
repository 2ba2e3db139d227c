/** One stream through a pipeline of a script, in the test's own process: events in by hand, events out to look at. */

import type { ExecutionContext } from 'ava'
import type { Context } from '../../actors/context.ts'
import type { Latin1 } from '../../actors/filter.ts'
import type { PipelineLayout } from '../../actors/pipeline.ts'
import type { Program, Surroundings } from '../../actors/program.ts'
import { assemble } from '../../actors/script/assemble.ts'
import { definitionOf } from '../../actors/script/builder.ts'
import type { ScriptDefinition } from '../../actors/script/script-definition.ts'
import { Session } from '../../actors/session.ts'
import { Data, type Event, Message, MessageStart, messageEnd, StreamEnd } from '../../runtime/event.ts'
import { netTransport } from '../../runtime/net/node-net.ts'
import { type Source, turn } from '../../runtime/turn.ts'
import { Occurrences } from './occurrences.ts'
import { type LogLine, recordingLog } from './recording-log.ts'

/** What is fed: text stands for Data. */
export type Input = Event | Message | string

/** Counts how often it is paused and let go again, as a socket would be. */
export class TestSource implements Source {
  pauses = 0

  get isPaused(): boolean {
    return this.pauses > 0
  }

  pause(): void {
    this.pauses++
  }

  resume(): void {
    this.pauses--
  }
}

class StreamSession extends Session {
  readonly outputs = new Occurrences<Event>()

  constructor(program: Program, layout: PipelineLayout, context: Context) {
    super(program, layout, context)
    program.sessionStarted(this)
  }

  override process(event: Event | Latin1): void {
    if (event.kind === 4) throw new Error('text came out of a pipeline')
    this.outputs.add(event.kind === 0 ? event.keep() : event)
  }

  protected override stopped(): void {
    super.stopped()
    this.program.sessionEnded(this)
  }
}

/** A stream whose events the test gives, and whose output it reads. */
export class TestStream {
  readonly source = new TestSource()
  readonly session: StreamSession

  constructor(session: StreamSession) {
    this.session = session
  }

  get context(): Context {
    return this.session.context
  }

  /** Feeds events in one turn, as one read of a socket does. */
  feed(...inputs: readonly Input[]): this {
    turn.begin(this.source)
    for (const input of inputs)
      for (const event of eventsOf(input)) this.session.deliver(this.session.first, event, null)
    turn.end()
    return this
  }

  end(error?: ConstructorParameters<typeof StreamEnd>[0]): this {
    return this.feed(new StreamEnd(error))
  }

  /** What came out so far, in short: see `show`. */
  get output(): string[] {
    return show(this.session.outputs.seen)
  }

  /** The bytes that came out so far. */
  get bytes(): Buffer {
    return Buffer.concat(
      this.session.outputs.seen.flatMap(event => (event.kind === 0 ? [event.bytes()] : [])),
    )
  }

  get text(): string {
    return this.bytes.toString()
  }

  /** The next event to come out that fits. */
  next(fits: (event: Event) => boolean = () => true): Promise<Event> {
    return this.session.outputs.next(fits)
  }

  /** Waits for the end of the output. */
  async ended(): Promise<StreamEnd> {
    return (await this.next(event => event.kind === 3)) as StreamEnd
  }

  /** The connection is gone. */
  close(): void {
    this.session.stop()
  }
}

/** Events in short: `<` MessageStart, `>` MessageEnd, text of Data (joined), `|` StreamEnd with its error. */
export function show(events: readonly Event[]): string[] {
  const shown: string[] = []
  let text: string | undefined
  for (const event of events) {
    if (event.kind === 0) {
      text = (text ?? '') + event.toString()
      continue
    }
    if (text !== undefined && text !== '') shown.push(text)
    text = undefined
    shown.push(event.kind === 1 ? '<' : event.kind === 2 ? '>' : `|${event.error}`)
  }
  if (text !== undefined && text !== '') shown.push(text)
  return shown
}

const eventsOf = (input: Input): Event[] =>
  typeof input === 'string'
    ? [new Data(input)]
    : input instanceof Message
      ? [new MessageStart(input.head), ...(input.body === undefined ? [] : [input.body.clone()]), messageEnd]
      : [input]

export interface TestProgram {
  readonly program: Program
  readonly logs: readonly LogLine[]
  /** A new stream through the pipeline of this name. */
  open(name?: string): TestStream
}

/** Assembles a script for its pipelines, of which `main` is the one that is opened by default. */
export function testProgram(t: ExecutionContext, script: unknown): TestProgram {
  const logs: LogLine[] = []
  const surroundings: Surroundings = {
    transport: netTransport,
    thread: { id: 0, concurrency: 1 },
    log: recordingLog({ add: line => logs.push(line) }),
    explain: fault => fault.message,
    sharedPipelines: { send: () => {}, ask: () => {} },
    acquireSocket: async (_address, port) => ({ port }),
  }
  const { program } = assemble(definitionOf(script) as ScriptDefinition, '', surroundings)
  // Deadlines alone do not keep a process alive, and here there is no socket that does.
  const alive = setInterval(() => {}, 60_000)
  t.teardown(() => {
    clearInterval(alive)
    program.stop()
  })
  return {
    program,
    logs,
    open: (name = 'main') =>
      new TestStream(
        new StreamSession(
          program,
          program.pipelines.get(name) as PipelineLayout,
          program.newContext(undefined),
        ),
      ),
  }
}

/** The one stream of a test: `openStream(t, sluice().pipeline('main').…)`. */
export const openStream = (t: ExecutionContext, script: unknown): TestStream => testProgram(t, script).open()
