import { readFileSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { Data } from '../data.ts'

/**
 * The folder that a script came from. Names of files that belong to a script are relative to it, wherever the process
 * was started, and a name cannot leave it: `/a`, `a` and `../a` are all the file `a` in it.
 */
class Codebase {
  private root: string | undefined

  /** Called by who loads a script. */
  enter(scriptFile: string): void {
    this.root = dirname(scriptFile)
  }

  /** Absolute path of a file that belongs to the script. */
  pathOf(name: string): string {
    return join(this.root ?? process.cwd(), posix.normalize(`/${name}`))
  }

  /**
   * The bytes of a file that belongs to the script; null when there is none.
   *
   * @throws Error when it is there and cannot be read.
   */
  load(name: string): Data | null {
    try {
      return Data.over(readFileSync(this.pathOf(name)))
    } catch (error) {
      if (['ENOENT', 'ENOTDIR', 'EISDIR'].includes((error as { code?: string }).code ?? '')) return null
      throw error
    }
  }
}

export const codebase = new Codebase()
