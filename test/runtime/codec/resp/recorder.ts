import { Buffer } from 'node:buffer'
import { RESPDecoder, type RESPLimits, VerbatimString } from '../../../../runtime/codec/resp/index.ts'
import { Data } from '../../../../runtime/data.ts'
import { cutAt } from '../support/cuts.ts'

export type Recorded =
  | { readonly type: string; body: string; payload?: unknown; attributes?: unknown }
  | { readonly violation: string }

/** What a decoder says. The body of a message that is not complete is left out: how much came depends on the cuts. */
export function decode(
  pieces: readonly { buffer: Buffer; end: number }[],
  limits?: Partial<RESPLimits>,
): Recorded[] {
  const events: Recorded[] = []
  let open: { type: string; body: string; payload?: unknown; attributes?: unknown } | undefined
  const decoder = new RESPDecoder(
    {
      start: type => {
        open = { type, body: '' }
      },
      body: (buffer, start, end) => {
        if (open !== undefined) open.body += buffer.toString('latin1', start, end)
      },
      end: (payload, attributes) => {
        const message = open as Exclude<typeof open, undefined>
        message.payload = plain(payload)
        if (attributes !== undefined) message.attributes = plain(attributes)
        events.push(message)
        open = undefined
      },
      violation: ({ id }) => events.push({ violation: id }),
    },
    limits,
  )
  for (const { buffer, end } of pieces) decoder.decode(buffer, 0, end)
  decoder.finish()
  return events
}

export const read = (text: string | Buffer, limits?: Partial<RESPLimits>): Recorded[] =>
  decode(cutAt(Buffer.from(text as string), []), limits)

/** The payload of the only message. */
export function payloadOf(text: string | Buffer): unknown {
  const events = read(text)
  const [first] = events
  if (events.length !== 1 || first === undefined || !('type' in first))
    throw new Error(`not one message: ${JSON.stringify(events)}`)
  return first.payload
}

/** A value in a form that can be compared: bytes as `$text`, errors as `-text`. */
export function plain(value: unknown): unknown {
  if (value instanceof Data) return { $: value.toString('latin1') }
  if (value instanceof VerbatimString) return { [`=${value.format}`]: value.content.toString('latin1') }
  if (value instanceof Error) return { '-': value.message }
  if (Array.isArray(value)) return value.map(plain)
  if (value instanceof Set) return { '~': [...value].map(plain) }
  if (value instanceof Map) return { '%': [...value].map(([key, entry]) => [plain(key), plain(entry)]) }
  return value
}
