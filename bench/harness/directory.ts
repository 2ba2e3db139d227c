import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A directory that goes when the process does. Readable for all, as nginx's worker drops its privileges. */
export function temporaryDirectory(name: string): string {
  const path = mkdtempSync(join(tmpdir(), `sluice-${name}-`))
  chmodSync(path, 0o755)
  process.on('exit', () => remove(path))
  return path
}

/** After an interrupt the servers end meanwhile and remove files of their own, which makes a removal fail half-way. */
function remove(path: string): void {
  for (let tries = 0; tries < 20; tries++) {
    try {
      rmSync(path, { recursive: true, force: true })
      return
    } catch {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 25)
    }
  }
}
