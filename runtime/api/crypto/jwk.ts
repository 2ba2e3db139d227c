import { createPublicKey, createSecretKey, type JsonWebKey, type KeyObject } from 'node:crypto'
import { TrafficError } from '../../errors.ts'
import { show } from '../../options.ts'
import { attempt, bytesOf } from './content.ts'

const needed: Readonly<Record<string, readonly string[]>> = {
  RSA: ['n', 'e'],
  EC: ['crv', 'x', 'y'],
  OKP: ['crv', 'x'],
  oct: ['k'],
}

/** A key as JSON (RFC 7517): RSA, EC, OKP or a shared secret (`oct`). */
export class JWK {
  /** The key as Node's crypto knows it. */
  readonly keyObject: KeyObject

  /** @throws TrafficError `BadOption` when a member is missing or cannot be used. */
  constructor(json: object) {
    const key = json as JsonWebKey | null | undefined
    const members =
      typeof key?.kty === 'string' && Object.hasOwn(needed, key.kty) ? needed[key.kty] : undefined
    if (key === null || key === undefined || members === undefined)
      throw new TrafficError(
        'BadOption',
        `JWK wants an object whose 'kty' is 'RSA', 'EC', 'OKP' or 'oct', and got ${show(key?.kty ?? json)}`,
      )
    for (const name of members)
      if (typeof key[name] !== 'string')
        throw new TrafficError('BadOption', `JWK wants '${name}' in a key of type '${key.kty}'`)
    this.keyObject = attempt('JWK', () =>
      key.kty === 'oct'
        ? createSecretKey(bytesOf(key.k as string, 'base64url'))
        : createPublicKey({ key: publicPart(key, members), format: 'jwk' }),
    )
  }

  get isValid(): boolean {
    return true
  }
}

/** A private key would else make Node expect all of its private members. */
function publicPart(key: JsonWebKey, members: readonly string[]): JsonWebKey {
  const part: JsonWebKey = { kty: key.kty as string }
  for (const name of members) part[name] = key[name]
  return part
}
