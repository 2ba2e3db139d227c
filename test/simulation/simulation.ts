/**
 * A cluster in one process, on a virtual clock and a bus in memory, and everything that can happen to it as a seed says:
 * messages under way while nodes come, leave and die, ways break, the broker restarts and the weather is bad. At every
 * step and at the end it is looked at whether what Sluice promises holds. The same seed gives the same run.
 */

import type { LedgerRow } from '../../actors/host.ts'
import type { Bus, StreamInfo } from '../../cluster/bus/bus.ts'
import { streamOf } from '../../cluster/durable/names.ts'
import { after } from '../../runtime/clock.ts'
import { type Logger, noLog } from '../../runtime/log.ts'
import { isBalanced } from '../cluster/durable/durable-node.ts'
import { MemoryBroker } from '../support/memory-bus.ts'
import { fairWeather } from '../support/memory-network.ts'
import { Random } from '../support/random.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { PipelineHistory } from './history.ts'
import { type PipelineName, SimulatedNode } from './simulated-node.ts'

export interface SimulationOptions {
  readonly seed: number
  /** Told what happens, for whoever replays a seed. */
  readonly trace?: ((text: string) => void) | undefined
  readonly pipelines?: readonly PipelineName[]
}

export interface Outcome {
  readonly seed: number
  readonly violations: readonly string[]
  readonly sent: number
  readonly processed: number
  readonly duplicates: number
  readonly dropped: number
}

/** Virtual time in which things go wrong, and at most so much more until all is settled again. */
const stormMs = 20_000
const calmMs = 90_000
const names = ['a', 'b', 'c', 'd']
const keys = ['k1', 'k2', 'k3', 'k4', 'k5', 'k6']
/** A run that has gone wrong says enough by its first violations. */
const mostViolations = 10

export class Simulation {
  private readonly clock = new VirtualClock()
  private readonly random: Random
  private readonly broker: MemoryBroker
  private readonly options: SimulationOptions
  private readonly pipelines: readonly PipelineName[]
  private readonly nodes: SimulatedNode[] = []
  private readonly history: Readonly<Record<PipelineName, PipelineHistory>>
  private readonly violations: string[] = []
  private lives = 0

  constructor(options: SimulationOptions) {
    this.options = options
    this.pipelines = options.pipelines ?? ['live', 'kept']
    this.random = new Random(options.seed)
    this.broker = new MemoryBroker(options.seed ^ 0x5bd1e995)
    this.history = { live: new PipelineHistory('live', true), kept: new PipelineHistory('kept', false) }
  }

  async run(): Promise<Outcome> {
    const giveBack = this.clock.install()
    try {
      await this.storm()
      await this.calm()
      this.judge()
    } finally {
      for (const node of this.nodes) if (!node.isDown) node.end()
      this.broker.close()
      await this.clock.advance(10_000)
      giveBack()
    }
    const histories = this.pipelines.map(name => this.history[name])
    return {
      seed: this.options.seed,
      violations: [...this.violations, ...histories.flatMap(({ violations }) => violations)].slice(
        0,
        mostViolations,
      ),
      sent: histories.reduce((sum, { sent }) => sum + sent.size, 0),
      processed: histories.reduce((sum, { processed }) => sum + processed.length, 0),
      duplicates: histories.reduce((sum, { duplicates }) => sum + duplicates, 0),
      dropped: this.nodes.reduce((sum, { edges }) => sum + edges.live.dropped + edges.kept.dropped, 0),
    }
  }

  private async storm(): Promise<void> {
    for (const name of names.slice(0, 3)) this.start(name)
    // Some begin at once, before anybody has joined.
    if (this.random.chance(0.8)) await this.clock.advance(this.random.between(100, 3_000))
    this.badWeather()
    const endMs = this.clock.monotonicMs() + stormMs
    let nextFaultMs = this.clock.monotonicMs() + this.random.between(0, 3_000)
    while (this.clock.monotonicMs() < endMs) {
      this.sendSome()
      if (this.clock.monotonicMs() >= nextFaultMs) {
        this.fault()
        nextFaultMs = this.clock.monotonicMs() + this.random.between(200, 8_000)
      }
      await this.clock.advance(this.random.between(1, 60))
      this.checkLedgers()
      if (this.violations.length >= mostViolations) return
    }
  }

  private badWeather(): void {
    const { random } = this
    const rate = (): number => (random.chance(0.5) ? 0 : random.between(0, 0.1))
    this.broker.setWeather({
      maxDelayMs: random.pick([1, 5, 50]),
      dropRate: rate(),
      duplicateRate: rate(),
      callLossRate: rate(),
    })
  }

  private sendSome(): void {
    const senders = this.alive.filter(({ isLeaving }) => !isLeaving)
    if (senders.length === 0) return
    const pipeline = this.random.pick(this.pipelines)
    const node = this.random.pick(senders)
    const key = this.random.pick(keys)
    for (let count = this.random.below(6); count > 0; count--) {
      const sent = node.send(pipeline, key)
      this.history[pipeline].sent.set(sent.id, sent)
    }
  }

  private fault(): void {
    const { random } = this
    const alive = this.alive.filter(({ isLeaving }) => !isLeaving)
    const missing = names.filter(name => this.alive.every(node => node.name !== name))
    if (missing.length > 0 && (alive.length < 2 || random.chance(0.35))) {
      this.start(random.pick(missing))
      return
    }
    if (alive.length === 0) return
    const node = random.pick(alive)
    const kind = random.below(8)
    if (kind <= 1) this.crash(node)
    else if (kind === 2) this.leave(node)
    else if (kind <= 4) this.cut(node)
    else if (kind === 5) this.stall(node)
    else if (kind === 6) this.restartBroker()
    else this.usurp(node)
  }

  private start(name: string): void {
    const life = `${name}${++this.lives}`
    this.say(`${life} starts`)
    const node = new SimulatedNode({
      name,
      life,
      buses: { main: this.broker.connect(), thread: this.broker.connect() },
      log: this.logOf(life),
      work: () => this.random.between(0, 30),
      took: (pipeline, sent) =>
        this.history[pipeline].took({ ...sent, host: life, atMs: this.clock.monotonicMs() }),
    })
    this.nodes.push(node)
  }

  private crash(node: SimulatedNode): void {
    this.say(`${node.life} crashes`)
    this.rowsAtDeath.set(node, node.thread.rows())
    for (const bus of busesOf(node)) this.broker.crash(bus)
    node.crash()
  }

  private leave(node: SimulatedNode): void {
    this.say(`${node.life} leaves`)
    void node.leave().then(() => this.say(`${node.life} has left`))
  }

  private cut(node: SimulatedNode): void {
    const { random } = this
    const buses = random.chance(0.5) ? busesOf(node) : [random.pick(busesOf(node))]
    const noticeMs = random.pick([0, 100, 6_000])
    const ms = random.between(100, 10_000)
    const which =
      buses.length === 2 ? 'both' : buses[0] === node.parts.buses.main ? 'the main' : "the thread's"
    this.say(`${node.life}: ${which} connection is cut for ${ms.toFixed()} ms, noticed after ${noticeMs}`)
    for (const bus of buses) this.broker.cut(bus, noticeMs)
    after(ms, () => {
      this.say(`${node.life}: the way is open`)
      for (const bus of buses) this.broker.heal(bus)
    })
  }

  private stall(node: SimulatedNode): void {
    const buses = this.random.chance(0.5) ? busesOf(node) : [this.random.pick(busesOf(node))]
    // What waits for a host to be done with the keys that it had waits no longer than five seconds (`EdgeRoute`), so that
    // a longer stall of a thread, while its node says that all is well, may cost the order of its keys.
    const ms = this.random.between(100, buses.length === 2 ? 9_000 : 4_000)
    this.say(`${node.life}: ${buses.length} connections stall for ${ms.toFixed()} ms`)
    for (const bus of buses) this.broker.stall(bus)
    after(ms, () => {
      this.say(`${node.life}: it flows`)
      for (const bus of buses) this.broker.resume(bus)
    })
  }

  private restartBroker(): void {
    const ms = this.random.between(100, 8_000)
    this.say(`the broker restarts, down for ${ms.toFixed()} ms`)
    this.broker.restart(ms)
  }

  /** Another process comes with the name of one that is there. */
  private usurp(node: SimulatedNode): void {
    this.say(`another ${node.name} comes`)
    for (const { name, life } of this.alive)
      if (name === node.name)
        for (const pipeline of this.pipelines) this.history[pipeline].displaced.add(life)
    this.start(node.name)
  }

  private async calm(): Promise<void> {
    this.broker.setWeather(fairWeather)
    this.say('calm')
    for (const node of this.alive)
      for (const bus of busesOf(node)) {
        this.broker.heal(bus)
        this.broker.resume(bus)
      }
    await this.clock.advance(10_000)
    // With none but nodes that go, or whose name another has taken, nothing could ever be settled.
    if (!this.alive.some(({ isLeaving, node }) => !isLeaving && node.status.isIn)) this.start('z')
    const isSettled = (): boolean => {
      this.checkLedgers()
      return this.violations.length > 0 || this.unsettled().length === 0
    }
    if (!(await this.clock.until(isSettled, calmMs, 250))) {
      for (const text of this.unsettled()) this.violations.push(text)
    }
    // What would come twice has time to.
    await this.clock.advance(15_000)
    this.checkLedgers()
  }

  private unsettled(): string[] {
    const left = this.keptStream?.messages ?? 0
    if (left > 0) return [`${left} messages are in the stream of 'kept' and stay there`]
    return this.alive.flatMap(node =>
      this.pipelines
        .filter(name => node.edges[name].inFlight > 0)
        .map(name => `${node.life}: ${node.edges[name].inFlight} are in flight to '${name}' and stay so`),
    )
  }

  private checkLedgers(): void {
    for (const node of this.nodes)
      for (const name of this.pipelines) {
        const edge = node.edges[name]
        for (const row of node.thread.rows())
          if (!isBalanced(row))
            this.violations.push(
              `${node.life}: the ledger of the stream does not balance: ${JSON.stringify(row)}`,
            )
        if (!node.isDown && (!edge.isBalanced || edge.inFlight < 0))
          this.violations.push(
            `${node.life}: the ledger of '${name}' does not balance: ${JSON.stringify(edge.row())}`,
          )
      }
  }

  /** What a process counts after its death is not true. */
  private readonly rowsAtDeath = new Map<SimulatedNode, readonly LedgerRow[]>()

  private get keptStream(): StreamInfo | undefined {
    return this.broker.streams.get(streamOf('simulated', 'kept'))?.info()
  }

  /** What must hold when all is over. */
  private judge(): void {
    const { kept } = this.history
    for (const node of this.nodes) {
      const { delivered } = node.edges.kept
      const came = new Set(kept.processed.filter(({ sender }) => sender === node.life).map(({ id }) => id))
        .size
      if (came < delivered)
        this.violations.push(
          `${node.life}: ${delivered} of its messages were stored for 'kept', and ${came} came`,
        )
    }
    const done = this.nodes.flatMap(node => this.rowsAtDeath.get(node) ?? node.thread.rows())
    const sum = (field: 'redelivered' | 'delivered'): number =>
      done.reduce((total, row) => total + (row[field] ?? 0), 0)
    if (sum('delivered') - kept.times.size > sum('redelivered'))
      this.violations.push(
        `kept: ${sum('delivered')} were done of ${kept.times.size}, more than the ${sum('redelivered')} that came again`,
      )
    for (const node of this.alive) {
      const { live } = node.edges
      const came = this.history.live.processed.filter(({ sender }) => sender === node.life).length
      if (came < live.delivered || came > live.delivered + live.dropped)
        this.violations.push(
          `${node.life}: ${came} of its messages came to 'live', and its ledger says ${JSON.stringify(live.row())}`,
        )
    }
  }

  private get alive(): SimulatedNode[] {
    return this.nodes.filter(({ isDown }) => !isDown)
  }

  private say(text: string): void {
    this.options.trace?.(`${this.clock.monotonicMs().toFixed(1).padStart(9)}  ${text}`)
  }

  private logOf(life: string): Logger {
    if (this.options.trace === undefined) return noLog
    const say = (message: string): void => this.say(`${life} says: ${message}`)
    return { isEnabled: () => true, debug: say, info: say, warn: say, error: say }
  }
}

const busesOf = ({ parts }: SimulatedNode): Bus[] => [parts.buses.main, parts.buses.thread]
