/** Reads protobuf by a table of fields, to look at what exporters send with eyes that are not theirs. */

export type FieldType = 'text' | 'hex' | 'number' | 'fixed64' | 'fixed32' | 'double' | 'bool' | Schema

/** By field number: the name, what it is, and whether it may come more than once. */
export interface Schema {
  readonly [number: number]: readonly [name: string, type: FieldType | (() => Schema), isRepeated?: boolean]
}

export function readProtobuf(bytes: Buffer, schema: Schema): Record<string, unknown> {
  const message: Record<string, unknown> = {}
  let at = 0
  const varint = (): bigint => {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++]
      if (byte === undefined) throw new Error('protobuf: the bytes end in a number')
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
  }
  while (at < bytes.length) {
    const tag = Number(varint())
    const wire = tag & 7
    let raw: bigint | Buffer
    if (wire === 0) raw = varint()
    else {
      const size = wire === 1 ? 8 : wire === 5 ? 4 : wire === 2 ? Number(varint()) : Number.NaN
      raw = bytes.subarray(at, at + size)
      if (raw.length !== size)
        throw new Error(`protobuf: field ${tag >> 3} of wire type ${wire} is not whole`)
      at += size
    }
    const field = schema[tag >> 3]
    if (field === undefined) continue
    const [name, type, isRepeated] = field
    const value = fieldValue(raw, typeof type === 'function' ? type() : type)
    if (!isRepeated) message[name] = value
    else if (message[name] === undefined) message[name] = [value]
    else (message[name] as unknown[]).push(value)
  }
  return message
}

function fieldValue(raw: bigint | Buffer, type: FieldType): unknown {
  if (typeof raw === 'bigint') return type === 'bool' ? raw !== 0n : Number(BigInt.asIntN(64, raw))
  switch (type) {
    case 'text':
      return raw.toString('utf8')
    case 'hex':
      return raw.toString('hex')
    case 'fixed64':
      return raw.readBigUInt64LE()
    case 'fixed32':
      return raw.readUInt32LE()
    case 'double':
      return raw.readDoubleLE()
    default:
      if (typeof type === 'object') return readProtobuf(raw, type)
      throw new Error(`protobuf: bytes where ${type} should be`)
  }
}
