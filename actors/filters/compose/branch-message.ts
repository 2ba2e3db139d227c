import { TrafficError } from '../../../runtime/errors.ts'
import { type Event, Kind } from '../../../runtime/event.ts'
import { size } from '../../../runtime/options.ts'
import type { Context } from '../../context.ts'
import type { Filter } from '../../filter.ts'
import type { FilterCall, FilterDefinition } from '../definition.ts'
import { Collected, MessageCollector } from '../message-collector.ts'
import { DivertingFilter, straightOn, type Way } from './sub-stream.ts'

type Condition = (subject: never, ctx: Context) => unknown

interface Branch {
  /** Absent in the last one, which is for when none holds. */
  readonly condition: Condition | undefined
  readonly way: Way
}

/** Chooses a way for the stream by its first message for which a condition holds. */
abstract class BranchByMessage extends DivertingFilter {
  private readonly branches: readonly Branch[]

  constructor(branches: readonly Branch[]) {
    super()
    this.branches = branches
  }

  process(event: Event): void {
    if (this.isDecided) this.pass(event)
    else if (event.kind === Kind.streamEnd) this.giveUp(event)
    else {
      const subject = this.subjectOf(event)
      const way = subject === undefined ? undefined : this.wayFor(subject)
      this.hold(event)
      if (way !== undefined) this.take(way)
    }
  }

  /** What the conditions are asked with; undefined as long as it is not known. */
  protected abstract subjectOf(event: Event): object | undefined

  private wayFor(subject: object): Way | undefined {
    const { context } = this.pipeline
    return this.branches.find(
      ({ condition }) => condition === undefined || condition(subject as never, context),
    )?.way
  }
}

class BranchByStart extends BranchByMessage {
  protected subjectOf(event: Event): object | undefined {
    return event.kind === Kind.messageStart ? event : undefined
  }
}

class BranchByWhole extends BranchByMessage {
  private readonly collector: MessageCollector

  constructor(branches: readonly Branch[], limitBytes: number) {
    super(branches)
    this.collector = new MessageCollector(limitBytes)
  }

  protected subjectOf(event: Event): object | undefined {
    return this.collector.add(event) === Collected.whole ? this.collector.take() : undefined
  }
}

const wholeOptions = {
  bodyLimit: size(
    64 * 1024,
    'Bytes of a body that the conditions see. The message waits until it is complete, so what is longer than the window of its source would wait without end; 64k is what a filter holds before it pauses the source.',
  ),
} as const

const straight = (call: FilterCall, target: unknown): Way => {
  if (target === '' || target === null) return straightOn
  const layout = call.localTarget(call.resolve(target))
  return { layout, edge: call.edge('link', layout.name, 'block'), chain: null }
}

/** Takes conditions and targets by turns; a target without a condition is the last. */
function takeBranches(call: FilterCall): Branch[] {
  const branches: Branch[] = []
  while (call.remaining > 1 && typeof call.peek() === 'function') {
    const condition = call.callback<Condition>('a condition in front of each target')
    branches.push({ condition, way: straight(call, call.takeTarget()) })
  }
  if (call.remaining > 0) branches.push({ condition: undefined, way: straight(call, call.takeTarget()) })
  call.end()
  if (branches.length === 0)
    throw new TrafficError('BadOption', `${call.name} wants conditions and targets, and got nothing`)
  return branches
}

const definition = (
  name: string,
  subject: string,
  example: string,
  create: (branches: readonly Branch[]) => Filter,
): FilterDefinition => ({
  name,
  aliases: [],
  signature: '(when, target[, when2, target2, ...][, otherwise])',
  summary: `Sends events to one of several pipelines, by ${subject}`,
  doc: `Asks the conditions with ${subject} and the context, in their order, and sends the stream to the target of the first that holds, for good; when none does, to the last target, which has no condition, and without such a one the next message is asked. Events wait until then. A target is $ => $… or a name, '' passes the stream straight on.`,
  accepts: 'messages',
  emits: 'any',
  sub: 'messages',
  options: {},
  example,
  build: call => {
    const branches = takeBranches(call)
    return { name, create: () => create(branches) }
  },
})

export const branchMessageStart = definition(
  'branchMessageStart',
  'the MessageStart event',
  "$.branchMessageStart(start => start.head.path === '/', $ => $.replaceMessage(new Message('Hi')), 'api')",
  branches => new BranchByStart(branches),
)

export const branchMessage = definition(
  'branchMessage',
  'the complete message',
  "$.branchMessage(msg => msg.body?.toString() === 'ping', $ => $.replaceMessage(new Message('pong')), 'rpc')",
  branches => new BranchByWhole(branches, wholeOptions.bodyLimit.fallback),
)
