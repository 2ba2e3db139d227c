/** What only Pipy's `pipy` has: commands run at once, and the files of the codebase listed and watched. */

import { spawnSync } from 'node:child_process'
import { readdirSync, statSync, watch } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { after } from '../clock.ts'
import { Data } from '../data.ts'
import { TrafficError } from '../errors.ts'
import { show } from '../options.ts'
import { codebase } from '../script/codebase.ts'

/** What a command may put out. */
const mostOutputBytes = 64 * 1024 * 1024

/** What is changed within so long is told at once: an editor writes a file in several steps. */
const gatherMs = 50

/**
 * Runs a command to its end, while the thread waits, and gives what it has put out.
 *
 * @param command a text, split at blanks, or the program and its arguments
 * @throws TrafficError `RuntimeError` when it cannot be run
 */
export function execNow(command: string | readonly string[], options: { stdin?: Data | string } = {}): Data {
  const [program, ...args] = typeof command === 'string' ? command.split(' ').filter(Boolean) : command
  if (typeof program !== 'string')
    throw new TrafficError('BadOption', `pipy.exec wants a command, and got ${show(command)}`)
  const { stdin = '' } = options
  const { error, stdout } = spawnSync(program, args.map(String), {
    input: typeof stdin === 'string' ? stdin : stdin.bytes(),
    stdio: ['pipe', 'pipe', 'inherit'],
    maxBuffer: mostOutputBytes,
  })
  if (error)
    throw new TrafficError('RuntimeError', `pipy.exec cannot run ${program}: ${error.message}`, error)
  return Data.over(stdout)
}

/** The files below a folder of the codebase, by their paths in it, sorted; none when there is no such folder. */
export function listFiles(folder = '/'): string[] {
  const root = codebase.pathOf(String(folder))
  if (!statSync(root, { throwIfNoEntry: false })?.isDirectory()) return []
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => relative(root, join(entry.parentPath, entry.name)))
    .sort()
}

/**
 * Tells once of a change: of a file of the codebase, or of anything below a folder whose name ends with a slash.
 *
 * @returns the paths of what has changed, as the codebase has them
 */
export function watchFiles(path: string, onChange?: (paths: string[]) => void): Promise<string[]> {
  const place = codebase.pathOf(String(path))
  const isFolder = statSync(place, { throwIfNoEntry: false })?.isDirectory() === true
  const folder = isFolder ? place : dirname(place)
  const { promise, resolve, reject } = Promise.withResolvers<string[]>()
  const changed = new Set<string>()
  try {
    const watcher = watch(folder, { persistent: false, recursive: isFolder }, (_, name) => {
      if (name === null || (!isFolder && name !== basename(place))) return
      if (changed.size === 0)
        after(gatherMs, () => {
          watcher.close()
          resolve([...changed].sort())
        })
      changed.add(`/${relative(codebase.pathOf('/'), join(folder, name))}`)
    })
    watcher.on('error', error => reject(new TrafficError('ReadError', error.message, error)))
  } catch (error) {
    reject(new TrafficError('ReadError', (error as Error).message, error))
  }
  if (onChange === undefined) return promise
  return promise.then(paths => {
    onChange(paths)
    return paths
  })
}
