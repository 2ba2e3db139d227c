import { TrafficError } from '../../runtime/errors.ts'
import {
  Data,
  isEvent,
  Kind,
  Message,
  MessageEnd,
  MessageStart,
  messageEnd,
  StreamEnd,
} from '../../runtime/event.ts'
import { show } from '../../runtime/options.ts'
import type { EventPort } from '../filter.ts'

/**
 * Gives a replacement to `port`: a Message as its events, arrays in order, null and undefined as nothing. Returns true
 * when the end of the stream was in it: then nothing may follow, and the rest of an array is left out.
 *
 * @throws TrafficError `RuntimeError` on anything else.
 */
export function emitReplacement(replacement: unknown, port: EventPort): boolean {
  if (replacement === undefined || replacement === null) return false
  if (replacement instanceof Message) emitMessage(replacement, port)
  else if (replacement instanceof Data) port.process(replacement.clone())
  else if (isEvent(replacement)) {
    port.process(replacement)
    return replacement.kind === Kind.streamEnd
  } else if (Array.isArray(replacement)) {
    for (const element of replacement) if (emitReplacement(element, port)) return true
  } else {
    throw new TrafficError(
      'RuntimeError',
      `a replacement must be an event, a Message, or an array of them, and is ${show(replacement)}`,
    )
  }
  return false
}

/** The events of a message, one after the other. */
export function emitMessage(message: Message, port: EventPort): void {
  port.process(new MessageStart(message.head))
  if (message.body !== undefined && message.body.size > 0) port.process(message.body.clone())
  port.process(
    message.tail === undefined && message.payload === undefined
      ? messageEnd
      : new MessageEnd(message.tail, message.payload),
  )
}

/** Whether a value can be a replacement: what a filter checks when the script is loaded. */
export const isReplacement = (value: unknown): boolean =>
  value === undefined ||
  value === null ||
  isEvent(value) ||
  value instanceof Message ||
  value instanceof StreamEnd ||
  (Array.isArray(value) && value.every(isReplacement))
