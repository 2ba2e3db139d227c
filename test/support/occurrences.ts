/** Things that happened, in order, for tests to wait for: no test sleeps, each awaits what it is about. */
export class Occurrences<T> {
  readonly seen: T[] = []
  private taken = 0
  private readonly waiting = new Set<() => void>()

  add(item: T): void {
    this.seen.push(item)
    for (const look of [...this.waiting]) look()
  }

  /** The first item from here on that fits; those before it are skipped. */
  next(fits: (item: T) => boolean = () => true): Promise<T> {
    const { promise, resolve } = Promise.withResolvers<T>()
    const look = (): void => {
      while (this.taken < this.seen.length) {
        const item = this.seen[this.taken++] as T
        if (!fits(item)) continue
        this.waiting.delete(look)
        resolve(item)
        return
      }
    }
    this.waiting.add(look)
    look()
    return promise
  }
}
