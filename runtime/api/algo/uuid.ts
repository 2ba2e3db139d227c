import { randomUUID } from 'node:crypto'

/** A random UUID (RFC 9562, version 4). */
export const uuid = (): string => randomUUID()
