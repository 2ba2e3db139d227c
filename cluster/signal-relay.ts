/** Signals of this process that threads wait for. Only the main thread gets signals: it passes them on. */
export class SignalRelay {
  private readonly watched = new Map<string, () => void>()
  private readonly tell: (signal: string) => void

  /** @param tell passes one on to all threads */
  constructor(tell: (signal: string) => void) {
    this.tell = tell
  }

  /** From now on this signal is passed on, in addition to what the process does by itself when it gets it. */
  watch(signal: string): void {
    if (this.watched.has(signal)) return
    const pass = (): void => this.tell(signal)
    this.watched.set(signal, pass)
    process.on(signal, pass)
  }

  close(): void {
    for (const [signal, pass] of this.watched) process.off(signal, pass)
    this.watched.clear()
  }
}
