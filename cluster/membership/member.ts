import { Buffer } from 'node:buffer'
import { isName } from '../../runtime/options.ts'

/** Versions of the frames between nodes (`delivery/frame.ts`) that this program can read and write. */
export const wireVersions: readonly number[] = [1]

/** A node as the others know it: its entry in the cluster's bucket. */
export interface Member {
  readonly name: string
  /** This life of the node. It has another after a restart, and after it was cut off for so long that it counted as dead. */
  readonly incarnation: string
  /** Versions of frames that it can read. */
  readonly wires: readonly number[]
  /** Undefined: every role. */
  readonly roles?: readonly string[] | undefined
  /** The cluster pipelines that it hosts. */
  readonly pipelines: readonly string[]
  /** The life of each of its threads, by slot; 0: not there at the moment. */
  readonly threads: readonly number[]
  /** A draining node finishes what it has and takes no new keys. */
  readonly state: MemberState
}

export type MemberState = 'serving' | 'draining'

/** A thread of a node in one of its lives: what a message is sent to. */
export interface Place {
  readonly node: string
  readonly incarnation: string
  readonly thread: number
  readonly life: number
}

export const placeId = ({ incarnation, thread, life }: Omit<Place, 'node'>): string =>
  `${incarnation}.${thread}.${life}`

/** The bucket in which the nodes of a cluster are. */
export const memberBucket = (cluster: string): string => `sluice_${cluster}_nodes`

/** The entry of a node, as JSON, so that an operator can read it with the tools of NATS. */
export const encodeMember = (member: Member): Uint8Array => Buffer.from(JSON.stringify(member))

/** What an entry says; undefined when it is not one that this program understands. Fields that it does not know are left out. */
export function decodeMember(bytes: Uint8Array): Member | undefined {
  let it: Partial<Record<keyof Member, unknown>>
  try {
    it = JSON.parse(Buffer.from(bytes).toString())
  } catch {
    return undefined
  }
  if (typeof it !== 'object' || it === null) return undefined
  const { name, incarnation, wires, roles, pipelines, threads, state } = it
  if (typeof name !== 'string' || typeof incarnation !== 'string') return undefined
  if (!isName(name) || !isToken(incarnation)) return undefined
  if (!isListOf(wires, 'number', most.wires) || !isListOf(threads, 'number', most.threads)) return undefined
  if (!isListOf(pipelines, 'string', most.names)) return undefined
  return {
    name,
    incarnation,
    wires: wires as number[],
    roles: isListOf(roles, 'string', most.names) ? (roles as string[]) : undefined,
    pipelines: pipelines as string[],
    threads: threads as number[],
    // A state that a newer version has: whatever it means, it is not that we should send to it.
    state: state === 'serving' ? 'serving' : 'draining',
  }
}

/** More than any node has. Whoever may write to the bucket may write anything, and all nodes would keep it. */
const most = { wires: 64, threads: 4096, names: 10_000 } as const

/** A part of subjects between two dots. */
const isToken = (text: string): boolean => /^[\w-]{1,128}$/.test(text)

const isListOf = (value: unknown, type: 'string' | 'number', longest: number): boolean =>
  Array.isArray(value) && value.length <= longest && value.every(each => typeof each === type)

/** Whether messages can be sent to it in a form that both know. */
export const speaksWith = ({ wires }: Member): boolean =>
  wires.some(version => wireVersions.includes(version))
