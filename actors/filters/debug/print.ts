import { type Event, Kind } from '../../../runtime/event.ts'
import { Filter } from '../../filter.ts'
import type { FilterDefinition } from '../definition.ts'

class Print extends Filter {
  process(event: Event): void {
    // A copy, since the stream takes its time; bytes, since a piece may end inside a character.
    if (event.kind === Kind.data && event.size > 0) process.stdout.write(new Uint8Array(event.bytes()))
    this.next.process(event)
  }
}

export const print: FilterDefinition = {
  name: 'print',
  aliases: [],
  signature: '()',
  summary: 'Outputs raw data to the standard output',
  doc: 'Writes the bytes of each Data event to the standard output as they are, and passes all events on.',
  accepts: 'any',
  emits: 'same',
  options: {},
  example: "$.print().connect('127.0.0.1:8080')",
  build: call => {
    call.end()
    return { name: 'print', create: () => new Print() }
  },
}
