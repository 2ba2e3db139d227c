import { resolve } from 'node:path'
import type { SinkEntry } from '../../actors/sink.ts'
import { wallMs } from '../../runtime/clock.ts'
import type { Logger } from '../../runtime/log.ts'
import { RotatedFile } from '../../runtime/rotated-file.ts'
import type { SinkSettings } from './sink-options.ts'

interface Letter {
  readonly line: string
  readonly entry: SinkEntry
  readonly reason: string
  readonly done: () => void
}

/** Where documents go that a sink will never take: a file, if there is one, and the log. */
export class DeadLetters {
  private readonly place: string
  private readonly log: Logger
  private readonly file: RotatedFile | undefined
  private waiting: Letter[] = []
  private writing: Promise<void> | undefined

  constructor(place: string, settings: SinkSettings, log: Logger) {
    this.place = place
    this.log = log
    const { deadLetters, deadLetterFileSize, deadLetterFileCount } = settings
    if (deadLetters !== undefined)
      this.file = new RotatedFile(resolve(deadLetters), {
        maxFileSize: deadLetterFileSize,
        maxFileCount: deadLetterFileCount,
        rotateInterval: 0,
      })
  }

  /** @param done called when it is written, or the disk would not have it and the log has */
  add(entry: SinkEntry, reason: string, done: () => void): void {
    if (this.file === undefined) {
      this.tell(entry, reason)
      done()
      return
    }
    const { id, json } = entry
    const line = `${JSON.stringify({ time: new Date(wallMs()).toISOString(), place: this.place, id, reason, document: json.toString() })}\n`
    this.waiting.push({ line, entry, reason, done })
    this.writing ??= this.writeAll(this.file)
  }

  async close(): Promise<void> {
    await this.writing
    await this.file?.close()
  }

  private async writeAll(file: RotatedFile): Promise<void> {
    while (this.waiting.length > 0) {
      const letters = this.waiting
      this.waiting = []
      try {
        await file.append(Buffer.from(letters.map(({ line }) => line).join('')))
      } catch (error) {
        this.log.error(
          `The file of dead letters of ${this.place} cannot be written: ${(error as Error).message}`,
          {
            code: 'DeadLettersFailed',
          },
        )
        for (const { entry, reason } of letters) this.tell(entry, reason)
      }
      for (const { done } of letters) done()
    }
    this.writing = undefined
  }

  private tell({ id }: SinkEntry, reason: string): void {
    this.log.warn(`A document of ${this.place} was put aside: ${reason}`, { code: 'SinkDeadLetter', id })
  }
}
