/** The last so many of something, to know them again. */
export class KnownIds<T> {
  private readonly ids = new Set<T>()
  private readonly limit: number

  constructor(limit: number) {
    this.limit = limit
  }

  has(id: T): boolean {
    return this.ids.has(id)
  }

  add(id: T): void {
    this.ids.delete(id)
    this.ids.add(id)
    // Sets keep the order in which they were filled.
    if (this.ids.size > this.limit)
      for (const oldest of this.ids) {
        this.ids.delete(oldest)
        break
      }
  }
}
