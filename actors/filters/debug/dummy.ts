import { type Event, Kind } from '../../../runtime/event.ts'
import { Filter } from '../../filter.ts'
import type { FilterDefinition } from '../definition.ts'

class Dummy extends Filter {
  process(event: Event): void {
    if (event.kind === Kind.streamEnd) this.next.process(event)
  }
}

export const dummy: FilterDefinition = {
  name: 'dummy',
  aliases: [],
  signature: '()',
  summary: 'Eats up all events but the end of the stream',
  doc: 'Discards every event, except that it passes StreamEnd so that what holds the pipeline can let it go.',
  accepts: 'any',
  emits: 'same',
  options: {},
  example: '$.fork().to($ => $.handleMessage(msg => console.log(msg.head)).dummy())',
  build: call => {
    call.end()
    return { name: 'dummy', create: () => new Dummy() }
  },
}
