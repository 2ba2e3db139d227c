import { getCiphers, getHashes } from 'node:crypto'
import { TrafficError } from '../../errors.ts'
import { nearest } from '../../nearest.ts'
import { show } from '../../options.ts'

/** Digests of Pipy that OpenSSL 3 has in its legacy provider only, which Node does not load. */
const retired: ReadonlySet<string> = new Set(['md4', 'mdc2', 'whirlpool'])

/** Made when first asked for. */
let digests: ReadonlySet<string> | undefined
let ciphers: ReadonlySet<string> | undefined

const aliases: Readonly<Record<string, string>> = { 'sm4-cfb128': 'sm4-cfb' }

/**
 * The name of a digest as Node knows it.
 *
 * @throws TrafficError `BadOption` when this build of OpenSSL lacks it.
 */
export function digestName(name: unknown): string {
  const known = typeof name === 'string' ? name.toLowerCase() : ''
  if (retired.has(known))
    throw new TrafficError(
      'BadOption',
      `the digest '${known}' is not in the OpenSSL of this Node (only in its legacy provider); take 'sha256'`,
    )
  digests ??= new Set(getHashes().map(have => have.toLowerCase()))
  return digests.has(known) ? known : unknown('digest', name, digests)
}

/** Bytes that a digest of variable length gives, as OpenSSL 1.1 did; undefined for the others. */
export const digestLength = (name: string): number | undefined =>
  name === 'shake128' ? 16 : name === 'shake256' ? 32 : undefined

/**
 * The name of a cipher as Node knows it.
 *
 * @throws TrafficError `BadOption` when this build of OpenSSL lacks it.
 */
export function cipherName(name: unknown): string {
  const given = typeof name === 'string' ? name.toLowerCase() : ''
  const known = aliases[given] ?? given
  ciphers ??= new Set(getCiphers())
  return ciphers.has(known) ? known : unknown('cipher', name, ciphers)
}

function unknown(kind: string, name: unknown, names: ReadonlySet<string>): never {
  const near = typeof name === 'string' ? nearest(name.toLowerCase(), [...names]) : undefined
  throw new TrafficError(
    'BadOption',
    `the OpenSSL of this Node has no ${kind} ${show(name)}${near === undefined ? '' : `; did you mean '${near}'?`}`,
  )
}
