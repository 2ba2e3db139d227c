import { Metric } from './metric.ts'

/**
 * Counts what happens, summed over threads at `/metrics`.
 *
 * @example
 *   const requests = new stats.Counter('requests', ['method', 'status'])
 *   requests.withLabels('GET', 200).increase()
 */
export class Counter extends Metric {
  /** @throws TrafficError `BadOption`. */
  constructor(name: string, labelNames?: readonly string[]) {
    super(name, 'counter', labelNames)
  }

  /** Starts over at zero. */
  zero(): void {
    this.series.value = 0
  }

  increase(by = 1): void {
    this.series.value += Number(by)
  }
}
