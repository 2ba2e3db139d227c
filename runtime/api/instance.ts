import { wallMs } from '../clock.ts'
import type { Data } from '../data.ts'
import { TrafficError } from '../errors.ts'
import { show } from '../options.ts'
import { codebase } from '../script/codebase.ts'

/** What the thread tells of the process that it is part of. */
export interface InstanceEnvironment {
  readonly argv: readonly string[]
  readonly source: string
  readonly name: string
  readonly uuid: string
  readonly thread: { readonly id: number; readonly concurrency: number }
  readonly exit: (code: number) => void
  readonly restart: () => void
}

let environment: InstanceEnvironment = {
  argv: [],
  source: '',
  name: '',
  uuid: '',
  thread: { id: 0, concurrency: 1 },
  exit: () => {},
  restart: () => {},
}

/** Called by the thread before it loads a script. */
export function enterInstance(entered: InstanceEnvironment): void {
  environment = entered
}

/** The process that runs the script: members of `sluice`, and of `pipy` in Pipy's dialect. */
export interface Instance {
  /** Arguments for the script, from the command line. */
  readonly argv: readonly string[]
  /** Path of the script. */
  readonly source: string
  /** Name of this process among others: that of the machine, unless it was given one. */
  readonly name: string
  /** Different for every start of a process, the same in its threads. */
  readonly uuid: string
  /** Number of this thread, and how many run the script. */
  readonly thread: { readonly id: number; readonly concurrency: number }
  /** Milliseconds since the epoch. */
  now(): number
  /** The bytes of a file that belongs to the script, by its path relative to the script; null when there is none. */
  load(path: string): Data | null
  /** Ends the process as a signal does: no new sessions, those there are finish. */
  exit(code?: number): void
  /** Loads the script anew in all threads; one that cannot be used leaves the old one running. */
  restart(): void
}

export const instance: Instance = {
  get argv() {
    return environment.argv
  },
  get source() {
    return environment.source
  },
  get name() {
    return environment.name
  },
  get uuid() {
    return environment.uuid
  },
  get thread() {
    return environment.thread
  },
  now: wallMs,
  load: path => codebase.load(path),
  exit: (code = 0) => {
    if (!Number.isInteger(code) || code < 0 || code > 255)
      throw new TrafficError('BadOption', `exit wants a code from 0 to 255, and got ${show(code)}`)
    environment.exit(code)
  },
  restart: () => environment.restart(),
}

/** Gives a function the members of `instance`; its own `name` is replaced. */
export function withInstance<F extends object>(target: F): F & Instance {
  return Object.defineProperties(target, Object.getOwnPropertyDescriptors(instance)) as F & Instance
}
