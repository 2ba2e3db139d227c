import { TrafficError } from '../../../runtime/errors.ts'
import { cloneEvent, type Event, type MessageStart } from '../../../runtime/event.ts'
import { show } from '../../../runtime/options.ts'
import { type Flushable, turn } from '../../../runtime/turn.ts'
import { type Context, cloneContext } from '../../context.ts'
import { type EventPort, Filter, type FilterLayout } from '../../filter.ts'
import type { PipelineLayout } from '../../pipeline.ts'
import type { HTTPRequestHead } from '../../script/types.ts'
import { Branch, type Plan as BranchPlan } from '../compose/fork.ts'
import type { Callback, FilterCall, FilterDefinition } from '../definition.ts'
import { Comparison, type ComparisonPlan } from './comparison.ts'
import { Comparer } from './differences.ts'
import { type HeaderChanges, type MirrorSettings, mirrorOptions } from './mirror-options.ts'
import { pipelineOutlet } from './outlet.ts'
import { Reach } from './reach.ts'
import { isInShare } from './share.ts'

/** Where the filter at the end of a branch finds what its answer is compared with. */
const slot = Symbol('comparison')
type Compared = Context & { [slot]?: Comparison }

interface Plan {
  readonly branches: BranchPlan
  readonly layout: PipelineLayout
  readonly settings: MirrorSettings
  readonly comparison: ComparisonPlan | null
  readonly reach: Reach
}

/**
 * Gives copies of requests to branches, as `fork` does: each one a pipeline of muxHTTP and connect. They are given at the
 * end of the turn, behind the writes of the traffic itself: to send a copy takes some ten microseconds, and the request
 * that is copied does not wait for them.
 */
class Mirror extends Filter implements Flushable {
  private readonly plan: Plan
  private branch: Branch | null = null
  /** Copies of this turn. */
  private readonly copies: Event[] = []
  private comparison: Comparison | null = null
  private tail: MirrorTail | null = null

  constructor(plan: Plan) {
    super()
    this.plan = plan
  }

  process(event: Event): void {
    if (event.kind === 1) this.begin(event)
    if (this.branch === null) {
      this.next.process(event)
      return
    }
    // Copied at once, as filters behind may change it.
    this.copies.push(cloneEvent(event))
    this.next.process(event)
    if (this.copies.length === 1) turn.defer(this)
  }

  /** End of the turn: the traffic has been written, and what was borrowed is still there. */
  flush(): void {
    const { branch, copies } = this
    if (branch === null) return
    for (const copy of copies) branch.take(copy)
    copies.length = 0
  }

  private begin(start: MessageStart): void {
    // Behind decodeHTTPRequest one request follows the other.
    this.leave()
    if (!this.isChosen(start)) return
    const { plan, pipeline } = this
    if (plan.reach.isResting) {
      plan.branches.edge.accepted++
      plan.branches.edge.drop('unreachable')
      return
    }
    const context: Compared = cloneContext(pipeline.context)
    if (plan.comparison !== null) {
      this.comparison = new Comparison(plan.comparison, pipeline, start.head)
      context[slot] = this.comparison
      this.tail ??= this.findTail()
      this.tail.await(this.comparison)
    }
    this.branch = new Branch(plan.branches, plan.layout, context, pipeline.session, undefined)
  }

  private isChosen(start: MessageStart): boolean {
    const { share, by, when } = this.plan.settings
    const { context } = this.pipeline
    const head = start.head as { method?: string; upgrade?: string }
    // What follows a switch of protocols is no request, and belongs to one peer.
    if (head.upgrade !== undefined || head.method === 'CONNECT') return false
    if (when !== undefined && !(when as Asked)(start, context)) return false
    return share === 1 || isInShare(share, by === undefined ? undefined : (by as Asked)(start, context))
  }

  private findTail(): MirrorTail {
    let port: EventPort = this.next
    while (!(port instanceof MirrorTail && port.plan === this.plan)) port = (port as Filter).next
    return port
  }

  private leave(): void {
    this.flush()
    this.branch?.leave()
    this.branch = null
    this.comparison = null
  }

  override stop(): void {
    this.tail?.stopped()
    this.leave()
  }
}

type Asked = (start: MessageStart, ctx: Context) => unknown

/** Sees the answer that the client gets. Under demuxHTTP it is one; else they come in the order of the requests. */
class MirrorTail extends Filter {
  readonly plan: Plan
  private readonly waiting: (Comparison | null)[] = []

  constructor(plan: Plan) {
    super()
    this.plan = plan
  }

  await(comparison: Comparison): void {
    this.waiting.push(comparison)
  }

  process(event: Event): void {
    const comparison = this.waiting[0]
    if (comparison !== undefined && comparison !== null) {
      comparison.see(comparison.primary, event)
      if (comparison.primary.isDone) this.waiting.shift()
    }
    this.next.process(event)
  }

  stopped(): void {
    for (const comparison of this.waiting.splice(0)) comparison?.primaryStopped()
  }
}

/** Stands at the end of a branch, and sees what the mirror answers. */
class MirrorAnswer extends Filter {
  private readonly reach: Reach

  constructor(reach: Reach) {
    super()
    this.reach = reach
  }

  process(event: Event): void {
    if (event.kind === 1) this.reach.answered()
    else if (event.kind === 3) this.reach.failed(event.error)
    const comparison = (this.pipeline.context as Compared)[slot]
    comparison?.see(comparison.mirror, event)
    this.next.process(event)
  }
}

/** The pipeline of a branch: muxHTTP and connect, as a script would write them. */
function layoutOf(call: FilterCall, target: unknown, settings: MirrorSettings, reach: Reach): PipelineLayout {
  const { connectTimeout, readTimeout } = settings
  const timeouts = { connectTimeout: connectTimeout / 1000, readTimeout: readTimeout / 1000 }
  const changes = Object.entries(settings.headers)
  const written = call.resolve(($: Builder) => {
    const changed =
      changes.length === 0 ? $ : $.handleMessageStart(start => changeHeaders(start, settings.headers))
    return changed.muxHTTP(target).to($ => $.connect(target, timeouts))
  })
  const layout = call.localTarget(written)
  layout.filters = [...layout.filters, { name: 'mirror', create: () => new MirrorAnswer(reach) }]
  return layout
}

/** As much of the builder as is used here. */
interface Builder {
  handleMessageStart(callback: (start: MessageStart) => void): Builder
  muxHTTP(target: unknown): { to(build: ($: Builder) => Builder): Builder }
  connect(target: unknown, options: object): Builder
}

function changeHeaders(start: MessageStart, changes: HeaderChanges): void {
  const { headers } = start.head as HTTPRequestHead
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) delete headers[name.toLowerCase()]
    else headers[name.toLowerCase()] = value
  }
}

function comparisonOf(call: FilterCall, settings: MirrorSettings): ComparisonPlan | null {
  const { compare, onDifference } = settings
  if (compare === null) {
    if (!call.hasTarget && onDifference === undefined) return null
    throw new TrafficError(
      'BadOption',
      'mirror finds differences only with its option compare: give it { compare: true }',
    )
  }
  if (!call.hasTarget && onDifference === undefined)
    throw new TrafficError(
      'BadOption',
      'mirror has no one to tell of differences: give it onDifference, or .to(…)',
    )
  return {
    comparer: new Comparer(compare),
    limitBytes: compare.bodyLimit,
    outlet: call.hasTarget ? pipelineOutlet(call, call.target()) : null,
    onDifference: onDifference && (call.inContext(onDifference as Callback) as never),
    name: `${call.within}.mirror`,
  }
}

export const mirror: FilterDefinition = {
  name: 'mirror',
  aliases: [],
  signature: '(target[, options])',
  summary: 'Copies a share of the requests to another upstream',
  doc: "Sends copies of requests to target ('host:port', or a callback (ctx) that gives it), and discards what that answers, or compares it with the answer that the client gets. Bodies are streamed. The traffic never waits for its mirror: a copy for which there is no room is dropped and counted, as with fork, of which this is a short form; a mirror that cannot be reached is left alone for a second, and for up to eight when it stays away. Upgrades and CONNECT are not mirrored. Differences go to onDifference, and as messages whose bodies are JSON documents to the pipeline of .to(…).",
  accepts: 'messages',
  emits: 'same',
  sub: 'messages',
  options: mirrorOptions,
  example: "$.mirror('127.0.0.1:9090', { share: 0.1 }).muxHTTP().to($ => $.connect('127.0.0.1:8080'))",
  build: call => {
    const target = call.takeTarget()
    if ((typeof target !== 'string' || target === '') && typeof target !== 'function')
      throw new TrafficError(
        'BadOption',
        `mirror wants 'host:port', or a callback that gives it, and got ${show(target)}`,
      )
    const options = call.options(mirrorOptions)
    const settings: MirrorSettings = {
      ...options,
      by: options.by && (call.inContext(options.by as Callback) as never),
      when: options.when && (call.inContext(options.when as Callback) as never),
    }
    const reach = new Reach(typeof target === 'string')
    const layout = layoutOf(call, target, settings, reach)
    const { window, maxBranches } = settings
    const branches: BranchPlan = {
      target: { kind: 'local', layout },
      init: undefined,
      edge: call.edge('fork', layout.name, 'drop'),
      settings: { policy: 'drop', window, maxBranches },
      open: 0,
    }
    const plan: Plan = { branches, layout, settings, comparison: comparisonOf(call, settings), reach }
    const tail: FilterLayout = { name: 'mirror', create: () => new MirrorTail(plan) }
    const create = (): Filter => new Mirror(plan)
    return plan.comparison === null ? { name: 'mirror', create } : { name: 'mirror', create, tail }
  },
}
