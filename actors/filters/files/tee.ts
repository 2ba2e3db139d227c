import { resolve } from 'node:path'
import { TrafficError } from '../../../runtime/errors.ts'
import { type Event, Kind } from '../../../runtime/event.ts'
import { count, duration, flag, show, size } from '../../../runtime/options.ts'
import type { Context } from '../../context.ts'
import { Filter } from '../../filter.ts'
import type { FilterDefinition } from '../definition.ts'
import { RotatingFile, type Rotation } from './rotating-file.ts'

const options = {
  append: flag(
    false,
    'Keeps what is in the file already. By default the first stream of a thread begins it anew.',
  ),
  shared: flag(
    true,
    'Streams of a thread that name the same file write to it together; else each begins the file anew.',
  ),
  maxFileSize: size(
    0,
    'Puts the file aside, as file.1, when it would become larger. 0: no limit. Each thread looks at what it has written itself, so give each its own file.',
  ),
  maxFileCount: count(0, 'Files that are kept, the current one counted; older ones are removed. 0: all.'),
  rotateInterval: duration(0, 'Puts the file aside when it has been written for so long. 0: never.'),
} as const

interface Plan {
  readonly file: string | ((ctx: Context) => unknown)
  readonly append: boolean
  readonly isShared: boolean
  readonly rotation: Rotation
  /** Files of this place in the script that are open, with the number of their streams. */
  readonly open: Map<string, { readonly file: RotatingFile; streams: number }>
  /** Files that this place has written before. */
  readonly begun: Set<string>
}

class Tee extends Filter {
  private readonly plan: Plan
  private file: RotatingFile | null = null
  private path = ''

  constructor(plan: Plan) {
    super()
    this.plan = plan
  }

  process(event: Event): void {
    if (event.kind === Kind.data && event.size > 0) {
      if (this.path === '') this.open()
      if (this.path === '-') process.stdout.write(event.bytes())
      else this.file?.write(event)
    }
    this.next.process(event)
  }

  private open(): void {
    const { file } = this.plan
    const given = typeof file === 'function' ? file(this.pipeline.context) : file
    if (typeof given !== 'string' || given === '')
      throw new TrafficError('RuntimeError', `tee wants a path from its callback, and got ${show(given)}`)
    this.path = given === '-' ? '-' : resolve(given)
    if (this.path !== '-')
      this.file = this.plan.isShared ? this.join(this.path) : this.begin(this.path, false)
  }

  private join(path: string): RotatingFile {
    const { begun, open } = this.plan
    let entry = open.get(path)
    if (entry === undefined) {
      entry = { file: this.begin(path, begun.has(path)), streams: 0 }
      begun.add(path)
      open.set(path, entry)
    }
    entry.streams++
    return entry.file
  }

  private begin(path: string, isContinued: boolean): RotatingFile {
    const { program } = this.pipeline.session
    const where = this.pipeline.path
    return new RotatingFile(path, this.plan.append || isContinued, this.plan.rotation, error =>
      program.reportFault(where, new TrafficError('WriteError', `tee to ${path}: ${error.message}`, error)),
    )
  }

  override stop(): void {
    const { file, path } = this
    this.file = null
    if (file === null) return
    const entry = this.plan.open.get(path)
    if (entry?.file === file) {
      if (--entry.streams > 0) return
      this.plan.open.delete(path)
    }
    file.end()
  }
}

export const tee: FilterDefinition = {
  name: 'tee',
  aliases: [],
  signature: '(file[, options])',
  summary: 'Writes a copy of the bytes to a file',
  doc: "Writes the bytes of Data events to a file and passes all events on. The file is a path, '-' for the standard output, or a callback (ctx) that gives one, asked once per stream. A disk that is slow pauses the socket that the bytes come from. A file that cannot be written is told in the log, and the stream goes on.",
  accepts: 'any',
  emits: 'same',
  options,
  example:
    "$.tee(ctx => `/tmp/stream-${ctx.__thread.id}.bin`, { append: true, maxFileSize: '100m', maxFileCount: 5 })",
  build: call => {
    const file = call.take()
    if (typeof file !== 'function' && (typeof file !== 'string' || file === ''))
      throw new TrafficError(
        'BadOption',
        `tee wants a path, or a callback that gives one, and got ${show(file)}`,
      )
    const { append, maxFileCount, maxFileSize, rotateInterval, shared } = call.options(options)
    const plan: Plan = {
      file: file as Plan['file'],
      append,
      isShared: shared,
      rotation: { maxFileSize, maxFileCount, rotateMs: rotateInterval },
      open: new Map(),
      begun: new Set(),
    }
    return { name: 'tee', create: () => new Tee(plan) }
  },
}
