export { Counter } from './counter.ts'
export { Gauge } from './gauge.ts'
export { Histogram } from './histogram.ts'
