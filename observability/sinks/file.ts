import { resolve } from 'node:path'
import { TrafficError } from '../../runtime/errors.ts'
import { count, duration, isText, optional, parseOptions, size } from '../../runtime/options.ts'
import { RotatedFile } from '../../runtime/rotated-file.ts'
import { giveBack } from './body-memory.ts'
import { type Destination, type Item, stored, type Verdict } from './destination.ts'
import { linesOf } from './lines.ts'
import type { SinkKind } from './sink-kind.ts'
import { sinkOptions } from './sink-options.ts'

/** Documents as lines of a file. */
class FileDestination implements Destination {
  readonly name: string
  /** Lines stay in order. */
  readonly maxConcurrency = 1
  private readonly file: RotatedFile

  constructor(name: string, file: RotatedFile) {
    this.name = name
    this.file = file
  }

  async send(batch: readonly Item[]): Promise<Verdict> {
    const lines = linesOf(batch)
    try {
      await this.file.append(lines)
      giveBack(lines)
      return { kind: 'answered', items: stored, sentBytes: lines.length }
    } catch (error) {
      return { kind: 'again', reason: (error as Error).message, cause: 'failure' }
    }
  }

  close(): Promise<void> {
    return this.file.close()
  }
}

const options = {
  path: optional(
    'the path of a file',
    'Where documents go. Several threads, and several sinks, may write to one.',
    isText,
  ),
  maxFileSize: size(
    100 * 1024 * 1024,
    'Puts the file aside, as `path.20260102T030405006Z`, when it would become larger. 0: never.',
  ),
  maxFileCount: count(10, 'Files kept that were put aside, so that the disk does not fill up.'),
  rotateInterval: duration(0, 'Puts the file aside when it is so old.'),
  ...sinkOptions,
} as const

export const fileKind: SinkKind = {
  name: 'file',
  summary: 'A file of JSON lines, with rotation',
  doc: 'Appends documents to a file, one a line. While the disk does not take them they wait; a write that failed half-way is made again, so that a line may stand there twice.',
  options,
  example:
    "sink('file', { path: '/var/log/sluice/traffic.jsonl', maxFileSize: '500m', rotateInterval: '1d' })",
  plan(given, owner) {
    const settings = parseOptions(options, given, owner)
    const { path, maxFileSize, maxFileCount, rotateInterval } = settings
    if (path === undefined || path === '')
      throw new TrafficError('BadOption', `${owner} wants option 'path', the file that documents go to`)
    const whole = resolve(path)
    const name = `file ${whole}`
    return {
      name,
      settings,
      open: () =>
        new FileDestination(name, new RotatedFile(whole, { maxFileSize, maxFileCount, rotateInterval })),
    }
  },
}
