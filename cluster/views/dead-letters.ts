import { Buffer } from 'node:buffer'
import { headOf } from '../../actors/kernel/wire.ts'
import { continued } from '../../runtime/printable.ts'
import type { DeadEvent, KeptDeadEvent } from '../durable/dead-letter-office.ts'
import { short, table } from './table.ts'

/** A dead letter as `--json` gives it: bytes are text where they are UTF-8, else base64. */
export interface ShownDeadLetter extends Omit<DeadEvent, 'wire'> {
  readonly sequence: number
  readonly time: string
  readonly head?: unknown
  readonly body?: string | undefined
  readonly bodyBase64?: string | undefined
}

export function deadLetterRow({ wire, ...letter }: KeptDeadEvent): ShownDeadLetter {
  const time = new Date(letter.timeMs).toISOString()
  if (wire === null) return { ...letter, time }
  const [head, body] = wire
  return { ...letter, time, head: headOf(head), ...bodyOf(body) }
}

function bodyOf(body: Uint8Array | null): Pick<ShownDeadLetter, 'body' | 'bodyBase64'> {
  if (body === null) return {}
  try {
    return { body: new TextDecoder('utf-8', { fatal: true }).decode(body) }
  } catch {
    return { bodyBase64: Buffer.from(body).toString('base64') }
  }
}

/** @param pipeline the one that was asked for; undefined: all */
export const showDeadLetters = (letters: readonly KeptDeadEvent[], pipeline?: string): string =>
  letters.length === 0
    ? `There are no dead letters${pipeline === undefined ? '' : ` of a pipeline '${pipeline}'`}.\n`
    : table<KeptDeadEvent>(
        [
          { title: 'NUMBER', value: ({ sequence }) => sequence },
          { title: 'TIME', value: ({ timeMs }) => new Date(timeMs).toISOString() },
          { title: 'PIPELINE', value: ({ pipeline }) => pipeline },
          { title: 'KEY', value: ({ key }) => short(key) || '-' },
          { title: 'REASON', value: ({ reason, fault }) => fault?.code ?? reason },
          { title: 'TRIES', value: ({ tries }) => tries },
          { title: 'NODE', value: ({ node }) => node },
          { title: 'MESSAGE', value: ({ fault }) => short(fault?.message.split('\n')[0] ?? '') },
        ],
        letters,
      )

/** All of one, for a person. */
export function showDeadLetter(letter: KeptDeadEvent): string {
  const { sequence, wire, fault, ...facts } = letter
  const lines = [`Dead letter ${sequence}`]
  const say = (name: string, value: unknown): void => {
    if (value !== undefined && value !== '') lines.push(`  ${name.padEnd(9)} ${value}`)
  }
  say('time', new Date(facts.timeMs).toISOString())
  say('pipeline', facts.pipeline)
  say('key', facts.key)
  say('id', facts.id)
  say('reason', facts.reason)
  say('tries', facts.tries)
  say('node', facts.node)
  if (fault !== undefined) {
    say('fault', continued(`${fault.code}: ${fault.message}`))
    if (fault.stack !== undefined) lines.push(...fault.stack.split('\n').map(line => `            ${line}`))
  }
  if (wire === null) {
    say('message', facts.parts === undefined ? 'unreadable' : `in ${facts.parts.length} parts`)
    return `${lines.join('\n')}\n`
  }
  const { body, bodyBase64 } = bodyOf(wire[1])
  say('head', JSON.stringify(headOf(wire[0])))
  if (body !== undefined) lines.push('', body)
  else if (bodyBase64 !== undefined) lines.push('', `(base64) ${bodyBase64}`)
  return `${lines.join('\n')}\n`
}
