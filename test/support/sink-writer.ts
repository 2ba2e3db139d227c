/** A process that gives documents to a sink, says so when they are on disk, and waits to be killed: `sink-writer.ts <options> <count>`. */

import { entries, TestSink, writeAtDiskSpeed } from './sinks.ts'

// Whoever started it has gone.
process.stdin.on('close', () => process.exit()).resume()

const options = JSON.parse(process.argv[2] as string) as { bufferPath: string }
const { sink } = new TestSink('elasticsearch', options)
await writeAtDiskSpeed(sink, options.bufferPath, entries(Number(process.argv[3])))
console.log('written')
