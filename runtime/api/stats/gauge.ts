import { Metric } from './metric.ts'

/**
 * A value that goes up and down, summed over threads at `/metrics`.
 *
 * @example
 *   const active = new stats.Gauge('active_connections')
 *   active.increase()
 */
export class Gauge extends Metric {
  /** @throws TrafficError `BadOption`. */
  constructor(name: string, labelNames?: readonly string[]) {
    super(name, 'gauge', labelNames)
  }

  zero(): void {
    this.series.value = 0
  }

  set(value: number): void {
    this.series.value = Number(value)
  }

  increase(by = 1): void {
    this.series.value += Number(by)
  }

  decrease(by = 1): void {
    this.series.value -= Number(by)
  }
}
