import { createReadStream, type ReadStream } from 'node:fs'
import { TrafficError } from '../../../runtime/errors.ts'
import { type Event, Kind, MessageStart, messageEnd, StreamEnd } from '../../../runtime/event.ts'
import { optional, parseSize, show, size } from '../../../runtime/options.ts'
import { turn } from '../../../runtime/turn.ts'
import type { Context } from '../../context.ts'
import { Filter } from '../../filter.ts'
import type { FilterDefinition } from '../definition.ts'
import { ReadPump } from './stream-pump.ts'

const isSize = (value: unknown): value is number | string => parseSize(value) !== undefined

const options = {
  seek: size(0, 'Bytes at the beginning of the file that are left out.'),
  size: optional('a size', 'Bytes to read at most. By default all.', isSize),
} as const

interface Plan {
  readonly file: string | ((ctx: Context) => unknown)
  readonly seek: number
  readonly size: number
}

class Read extends Filter {
  private readonly plan: Plan
  private stream: ReadStream | null = null
  private hasStarted = false
  private isMessage = false

  constructor(plan: Plan) {
    super()
    this.plan = plan
  }

  process(event: Event): void {
    if (this.hasStarted) return
    this.hasStarted = true
    if (event.kind === Kind.streamEnd) {
      this.next.process(event)
      return
    }
    this.isMessage = event.kind === Kind.messageStart
    this.open()
  }

  private open(): void {
    const { file, seek, size: length } = this.plan
    const path = typeof file === 'function' ? file(this.pipeline.context) : file
    if (typeof path !== 'string' || path === '')
      throw new TrafficError('RuntimeError', `read wants a path from its callback, and got ${show(path)}`)
    if (this.isMessage) this.next.process(new MessageStart())
    if (length === 0) {
      this.end()
      return
    }
    const stream = createReadStream(path, { start: seek, end: seek + length - 1 })
    this.stream = stream
    new ReadPump(stream, this)
    stream.on('end', () => this.enter(() => this.end()))
    stream.on('error', error =>
      this.enter(() => this.next.process(new StreamEnd(new TrafficError('ReadError', error.message, error)))),
    )
  }

  private end(): void {
    if (this.isMessage) this.next.process(messageEnd)
    this.next.process(new StreamEnd())
  }

  private enter(work: () => void): void {
    turn.begin(null)
    this.pipeline.run(work)
    turn.end()
  }

  override stop(): void {
    this.hasStarted = true
    this.stream?.destroy()
  }
}

export const read: FilterDefinition = {
  name: 'read',
  aliases: [],
  signature: '(file[, options])',
  summary: 'Reads a file',
  doc: 'With the first event of the stream, puts out the bytes of a file, then StreamEnd; when that event is a MessageStart, as a message. What comes in is discarded. The file is a path, or a callback (ctx) that gives one. A file that cannot be read ends the stream with ReadError.',
  accepts: 'any',
  emits: 'same',
  options,
  example: "$.read('/var/log/app.log', { seek: '1m' })",
  build: call => {
    const file = call.take()
    if (typeof file !== 'function' && (typeof file !== 'string' || file === ''))
      throw new TrafficError(
        'BadOption',
        `read wants a path, or a callback that gives one, and got ${show(file)}`,
      )
    const settings = call.options(options)
    const plan: Plan = {
      file: file as Plan['file'],
      seek: settings.seek,
      size: settings.size === undefined ? Number.POSITIVE_INFINITY : (parseSize(settings.size) as number),
    }
    return { name: 'read', create: () => new Read(plan) }
  },
}
