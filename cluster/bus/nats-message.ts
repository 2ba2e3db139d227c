import { headers, type Msg, type MsgHdrs } from '@nats-io/transport-node'
import type { BusHeaders, BusMessage } from './bus.ts'

/** A message as NATS gave it. Headers are read only when someone asks. */
export class NatsMessage implements BusMessage {
  private readonly message: Msg

  constructor(message: Msg) {
    this.message = message
  }

  get subject(): string {
    return this.message.subject
  }

  get payload(): Uint8Array {
    return this.message.data
  }

  get reply(): string | undefined {
    return this.message.reply === '' ? undefined : this.message.reply
  }

  get headers(): BusHeaders | undefined {
    return plainHeaders(this.message.headers)
  }
}

/** Of several values with one name the first counts. */
export function plainHeaders(natsHeaders: MsgHdrs | undefined): BusHeaders | undefined {
  if (natsHeaders === undefined) return undefined
  const plain: Record<string, string> = {}
  for (const [name, values] of natsHeaders) plain[name] = values[0] ?? ''
  return plain
}

/** Throws when a name or a value cannot be in a header. */
export function natsHeaders(plain: BusHeaders): MsgHdrs {
  const result = headers()
  for (const name in plain) result.append(name, plain[name] as string)
  return result
}
