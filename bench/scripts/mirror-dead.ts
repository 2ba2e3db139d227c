import { mirrored } from '../harness/mirrored.ts'

/** Nobody listens on the port of the discard service. */
export default mirrored('127.0.0.1:9')
