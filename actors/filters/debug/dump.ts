import { wallMs } from '../../../runtime/clock.ts'
import type { Event } from '../../../runtime/event.ts'
import { printable, printableJSON } from '../../../runtime/printable.ts'
import type { Context } from '../../context.ts'
import { Filter } from '../../filter.ts'
import type { FilterDefinition } from '../definition.ts'

type Tag = string | ((ctx: Context) => unknown)

class Dump extends Filter {
  private readonly tag: Tag

  constructor(tag: Tag) {
    super()
    this.tag = tag
  }

  process(event: Event): void {
    const tag = typeof this.tag === 'function' ? String(this.tag(this.pipeline.context)) : this.tag
    process.stdout.write(
      `${new Date(wallMs()).toISOString()} [dump] [${this.pipeline.path}]${tag && ` [${inLine(tag)}]`} ${describeEvent(event)}\n`,
    )
    this.next.process(event)
  }
}

/** Text from elsewhere as a part of a line that a terminal shows. */
const inLine = (text: string): string => printable(text).replaceAll('\n', '·')

/** An event for the eye: its type, what it carries, and bytes as a hex dump. */
function describeEvent(event: Event): string {
  switch (event.kind) {
    case 0:
      return `Data [size=${event.size}]${hexDump(event.bytes())}`
    case 1:
      return `MessageStart ${asJSON(event.head)}`
    case 2:
      return event.tail === undefined ? 'MessageEnd' : `MessageEnd ${asJSON(event.tail)}`
    case 3:
      return event.error === '' ? 'StreamEnd' : `StreamEnd [${event.error}] ${inLine(event.reason)}`
    default:
      return event satisfies never
  }
}

/** A debugging aid must not end a session because of what a script put into a head. */
function asJSON(value: object): string {
  try {
    return printableJSON(JSON.stringify(value))
  } catch (thrown) {
    return `(${(thrown as Error).message.split('\n')[0]})`
  }
}

const width = 16

function hexDump(bytes: Uint8Array): string {
  let text = ''
  for (let at = 0; at < bytes.length; at += width) {
    const row = bytes.subarray(at, at + width)
    const hex = Array.from(row, byte => byte.toString(16).padStart(2, '0')).join(' ')
    const shown = Array.from(row, byte =>
      byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.',
    ).join('')
    text += `\n  ${at.toString(16).padStart(8, '0')}  ${hex.padEnd(width * 3 - 1)}  ${shown}`
  }
  return text
}

export const dump: FilterDefinition = {
  name: 'dump',
  aliases: [],
  signature: '([tag])',
  summary: 'Outputs events to the standard output',
  doc: 'Writes a line for each event to the standard output: time, pipeline, tag, type, and bytes as a hex dump. Passes all events on. The tag is text, or a callback that gives it.',
  accepts: 'any',
  emits: 'same',
  options: {},
  example: "$.dump('from client').connect('127.0.0.1:8080').dump('from server')",
  build: call => {
    const given = call.take()
    call.end()
    const tag: Tag = typeof given === 'function' ? (given as Tag) : given === undefined ? '' : String(given)
    return { name: 'dump', create: () => new Dump(tag) }
  },
}
