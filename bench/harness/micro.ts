import { readdirSync } from 'node:fs'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runPinned, SERVER_CORE } from './server.ts'

const FOLDER = fileURLToPath(new URL('../micro/', import.meta.url))

export interface MicroResult {
  readonly name: string
  /** The JSON values the bench printed, one per line or one in all; none when it prints for people only. */
  readonly results: readonly unknown[]
  /** What it printed for people. */
  readonly text: string
  readonly error?: string
}

/** Runs every program in bench/micro/ on the core under test and gathers the JSON that it prints. */
export async function runMicro(progress: (line: string) => void): Promise<MicroResult[]> {
  const found: MicroResult[] = []
  for (const file of microFiles()) {
    const name = basename(file, '.ts')
    progress(`micro: ${name}`)
    try {
      const command = [process.execPath, '--expose-gc', `${FOLDER}${file}`]
      const text = await runPinned({ core: SERVER_CORE, command, timeoutMs: 120_000 })
      found.push({ name, results: parseJsonOutput(text), text })
    } catch (error) {
      found.push({ name, results: [], text: '', error: (error as Error).message })
    }
  }
  return found
}

function microFiles(): string[] {
  try {
    return readdirSync(FOLDER)
      .filter(file => file.endsWith('.ts') && !file.endsWith('.test.ts'))
      .sort()
  } catch {
    return []
  }
}

/** The whole output as one JSON value, else every line that is one; other lines are talk. */
export function parseJsonOutput(text: string): unknown[] {
  const whole = parseJson(text)
  if (whole !== undefined) return Array.isArray(whole) ? whole : [whole]
  return text
    .split('\n')
    .map(parseJson)
    .filter(value => typeof value === 'object' && value !== null)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}
