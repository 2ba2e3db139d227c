/**
 * Which messages that went into a pipeline belong to which message that comes out of it.
 *
 * The k-th message out answers the k-th in. A filter that joins messages says so, and then one message out answers all
 * that are in it: a unit is what has one answer.
 *
 *     in    a b c d e f             pack(3) ──► [a b c]   its join(3), at its place 0
 *     units 1 1 1 1 1 1                 3 1 1 1           its place is now 1: the next three are d e f
 */
export class Units {
  /** Messages are given one at a time: who gathers is not to wait for more. */
  isAlone = false
  /** Messages in each unit that has no answer yet, oldest first. */
  private readonly sizes: number[] = []
  private readonly joiners: Joiner[] = []

  /** A message goes in. */
  add(): void {
    this.sizes.push(1)
  }

  /** A message has come out: gives how many it answers, 0 when nobody waits for one. */
  take(): number {
    const size = this.sizes.length === 0 ? 0 : (this.sizes.shift() as number)
    for (const joiner of this.joiners) joiner.retreat(1)
    return size
  }

  /**
   * For a filter that joins messages; one for each of its instances.
   *
   * @param hurry puts out what it has gathered
   */
  joiner(hurry: () => void): Joiner {
    const joiner = new Joiner(this, hurry)
    this.joiners.push(joiner)
    return joiner
  }

  /** Who gathers is to put out what there is, since no more comes before that has an answer. */
  hurry(): void {
    for (const joiner of this.joiners) joiner.hurry()
  }

  /** For joiners: makes `count` units from a place on one, and tells those further up that there are fewer now. */
  merge(by: Joiner, count: number): void {
    const { place } = by
    const parts = this.sizes.slice(place, place + count)
    if (parts.length < 2) return
    this.sizes.splice(
      place,
      parts.length,
      parts.reduce((sum, size) => sum + size, 0),
    )
    for (const joiner of this.joiners)
      if (joiner !== by && joiner.place >= place + count) joiner.retreat(parts.length - 1)
  }
}

/** A filter's place among the units: how many of those without an answer have passed it. */
export class Joiner {
  place = 0
  readonly hurry: () => void
  private readonly units: Units

  constructor(units: Units, hurry: () => void) {
    this.units = units
    this.hurry = hurry
  }

  get isAlone(): boolean {
    return this.units.isAlone
  }

  /** The next message that the filter puts out is made of the next `count` that it took. */
  join(count: number): void {
    this.units.merge(this, count)
    this.place++
  }

  retreat(units: number): void {
    this.place = Math.max(0, this.place - units)
  }
}
