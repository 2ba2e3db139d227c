/** Runs the pipelines of a script in memory: a test feeds events and sees what comes out, with no socket and no thread. */

import type { ExecutionContext } from 'ava'
import type { Latin1 } from '../../actors/filter.ts'
import type { Edge } from '../../actors/kernel/ledger.ts'
import type { PipelineLayout } from '../../actors/pipeline.ts'
import type { Program, Surroundings } from '../../actors/program.ts'
import { assemble } from '../../actors/script/assemble.ts'
import { definitionOf } from '../../actors/script/builder.ts'
import { Session } from '../../actors/session.ts'
import { NodeHost } from '../../actors/shared/node-host.ts'
import type { SharedPipelines } from '../../actors/shared/shared-pipelines.ts'
import type { Sinks } from '../../actors/sink.ts'
import type { SubjectSpace } from '../../actors/subjects.ts'
import type { TrafficError } from '../../runtime/errors.ts'
import { Data, type Event, MessageEnd, MessageStart, StreamEnd } from '../../runtime/event.ts'
import { netTransport } from '../../runtime/net/node-net.ts'
import type { Transport } from '../../runtime/net/transport.ts'
import { type Source, turn } from '../../runtime/turn.ts'
import { Occurrences } from './occurrences.ts'

/** A source that counts how often it is told to pause, less how often to go on. */
export class FakeSource implements Source {
  pauses = 0

  pause(): void {
    this.pauses++
  }

  resume(): void {
    this.pauses--
  }

  get isPaused(): boolean {
    return this.pauses > 0
  }
}

/** A session without an inbound: the test is both its client and its socket. */
export class TestSession extends Session {
  readonly output: Event[] = []
  readonly occurred = new Occurrences<Event>()
  readonly source = new FakeSource()
  private readonly label: string

  constructor(program: Program, layout: PipelineLayout, label: string) {
    super(program, layout, program.newContext(undefined))
    this.label = label
    program.sessionStarted(this)
  }

  override get name(): string {
    return this.label
  }

  /** Gives events to the pipeline, all in one turn of `source`. */
  feed(...events: Event[]): this {
    turn.begin(this.source)
    for (const event of events) this.enter(event, null)
    turn.end()
    return this
  }

  override process(event: Event | Latin1): void {
    if (event.kind === 4) throw new Error('text was put out where only events are taken')
    const kept = event.kind === 0 ? event.clone().keep() : event
    this.output.push(kept)
    this.occurred.add(kept)
  }

  /** What came out, in a few words each. */
  get shown(): string[] {
    return this.output.map(showEvent)
  }

  /** All that came out, once it ends with an event of this kind (or has been seen before). */
  async until(fits: (event: Event) => boolean): Promise<string[]> {
    await this.occurred.next(fits)
    return this.shown
  }

  protected override stopped(): void {
    super.stopped()
    this.program.sessionEnded(this)
  }
}

/** An event in a few words: `S{…}`, `D:bytes`, `E`, `X` or `X:code`. */
export function showEvent(event: Event): string {
  switch (event.kind) {
    case 0:
      return `D:${event.toString()}`
    case 1:
      return Object.keys(event.head).length === 0 ? 'S' : `S${JSON.stringify(event.head)}`
    case 2:
      return event.tail === undefined ? 'E' : `E${JSON.stringify(event.tail)}`
    case 3:
      return event.error === '' ? 'X' : `X:${event.error}`
    default:
      return event satisfies never
  }
}

/** The reverse: events from words, for tests that read as lists. Text after `S` is the name of the message. */
export function events(...words: string[]): Event[] {
  return words.map(word => {
    const rest = word.slice(1)
    switch (word[0]) {
      case 'D':
        return new Data(rest.slice(1))
      case 'S':
        return new MessageStart(rest === '' ? {} : rest.startsWith('{') ? JSON.parse(rest) : { id: rest })
      case 'E':
        return new MessageEnd(rest === '' ? undefined : JSON.parse(rest))
      case 'X':
        return new StreamEnd(rest === '' ? undefined : (rest.slice(1) as 'ReadError'))
      default:
        throw new Error(`no event is written '${word}'`)
    }
  })
}

export interface Harness {
  readonly program: Program
  readonly faults: TrafficError[]
  readonly nodeHost: NodeHost
  /** Starts a session of a pipeline. */
  open(name?: string): TestSession
  edge(to: string): Edge
}

export interface HarnessOptions {
  readonly transport?: Transport
  readonly nodeHost?: NodeHost
  readonly sinks?: Sinks
  readonly subjectSpace?: SubjectSpace
}

/** Reads a script whose pipeline `main` (or others) is to be run. */
export function harness(t: ExecutionContext, script: unknown, options: HarnessOptions = {}): Harness {
  const definition = definitionOf(script)
  if (definition === undefined) throw new Error('this is no script')
  const faults: TrafficError[] = []
  const nodeHost = options.nodeHost ?? new NodeHost(undefined, 0, 1)
  const surroundings: Surroundings = {
    transport: options.transport ?? netTransport,
    thread: { id: 0, concurrency: 1 },
    log: { isEnabled: () => false, debug() {}, info() {}, warn() {}, error() {} },
    explain: fault => {
      faults.push(fault)
      return fault.message
    },
    sharedPipelines: nodeHost as SharedPipelines,
    subjectSpace: options.subjectSpace,
    acquireSocket: async (_address, port) => ({ port }),
    sinks: options.sinks,
  }
  const { program, shared } = assemble(definition, 'test.ts', surroundings)
  nodeHost.enter(program, shared).confirm()
  t.teardown(() => {
    program.stop()
    if (options.nodeHost === undefined) nodeHost.stop()
  })
  let opened = 0
  return {
    program,
    faults,
    nodeHost,
    open(name = 'main') {
      const layout = program.pipelines.get(name)
      if (layout === undefined) throw new Error(`the script has no pipeline '${name}'`)
      return new TestSession(program, layout, `test-${++opened}`)
    },
    edge(to) {
      const edge = program.edges.find(each => each.to === to)
      if (edge === undefined) throw new Error(`no edge leads to '${to}'`)
      return edge
    },
  }
}
