import type { Logger } from '../../runtime/log.ts'
import type { OptionSpecs } from '../../runtime/options.ts'
import type { Destination } from './destination.ts'
import type { SinkSettings } from './sink-options.ts'

/** What a destination is given of its surroundings. */
export interface DestinationSite {
  /** The place in the script that writes to it. */
  readonly place: string
  readonly log: Logger
}

/** Options that have been checked, and what can be opened with them. */
export interface SinkPlan {
  /** What the destination is called in ledgers: its kind and where it leads. */
  readonly name: string
  readonly settings: SinkSettings
  open(site: DestinationSite): Destination
}

/** A row of the table of sinks: all that scripts and the reference know of one. */
export interface SinkKind {
  readonly name: string
  /** One line for lists. */
  readonly summary: string
  /** The whole of its behaviour, for the reference. */
  readonly doc: string
  /** Its own options and those that all kinds have. */
  readonly options: OptionSpecs
  /** A call of the filter `sink` that shows it. */
  readonly example: string
  /** Opens nothing. @throws TrafficError `BadOption` */
  plan(options: unknown, owner: string): SinkPlan
}
