import { createPrivateKey, createPublicKey, generateKeyPairSync, KeyObject } from 'node:crypto'
import { TrafficError } from '../../errors.ts'
import { show } from '../../options.ts'
import { attempt, type Content, textOf } from './content.ts'

/** What `new PrivateKey({…})` makes. */
export interface KeyGeneration {
  type: 'rsa' | 'dsa' | 'ec' | 'ed25519'
  /** Size of an RSA or DSA key. Default: 2048. */
  bits?: number | undefined
  /** Curve of an EC key. Default: 'P-256'. */
  curve?: string | undefined
}

export interface KeyOptions {
  /** Says that an EC key is for SM2; OpenSSL 3 sees it from the key's curve. */
  aliasType?: 'sm2' | undefined
}

/**
 * The private half of a key pair, in PEM: for `Sign`, `JWT.sign` and TLS.
 *
 * @example
 *   const key = new crypto.PrivateKey(pipy.load('secret/key.pem'))
 *   const generated = new crypto.PrivateKey({ type: 'ec' })
 */
export class PrivateKey {
  /** The key as Node's crypto knows it. */
  readonly keyObject: KeyObject

  /**
   * @param pem text or Data, or what key to generate.
   * @throws TrafficError `BadOption` when it holds no private key.
   */
  constructor(pem: Content | KeyGeneration | KeyObject, options?: KeyOptions) {
    if (pem instanceof KeyObject) this.keyObject = pem
    else if (isGeneration(pem)) this.keyObject = generate(pem)
    else
      this.keyObject = attempt('PrivateKey wants a private key in PEM', () =>
        createPrivateKey({ key: textOf(pem as Content), format: 'pem' }),
      )
    checkAlias(this.keyObject, options)
  }

  /** The key in PEM (PKCS #8). */
  toPEM(): string {
    return this.keyObject.export({ type: 'pkcs8', format: 'pem' }) as string
  }
}

const isGeneration = (value: unknown): value is KeyGeneration =>
  typeof value === 'object' && value !== null && typeof (value as KeyGeneration).type === 'string'
    ? (value as { type: string }).type !== 'Data'
    : false

function generate({ type, bits = 2048, curve = 'P-256' }: KeyGeneration): KeyObject {
  return attempt('PrivateKey cannot be generated', () => {
    switch (type) {
      case 'rsa':
        return generateKeyPairSync('rsa', { modulusLength: bits }).privateKey
      case 'dsa':
        return generateKeyPairSync('dsa', { modulusLength: bits, divisorLength: 256 }).privateKey
      case 'ec':
        return reread(generateKeyPairSync('ec', { namedCurve: curve }).privateKey)
      case 'ed25519':
        return generateKeyPairSync('ed25519').privateKey
      default:
        throw new TrafficError(
          'BadOption',
          `PrivateKey makes keys of type 'rsa', 'dsa', 'ec' and 'ed25519', and not ${show(type)}`,
        )
    }
  })
}

/** A key on the curve SM2 signs as SM2 says once it was read; the one just generated signs as ECDSA does. */
const reread = (key: KeyObject): KeyObject =>
  createPrivateKey(key.export({ type: 'pkcs8', format: 'pem' }) as string)

/** Refuses a key that is said to be for SM2 and is on another curve. */
export function checkAlias(key: KeyObject, options: KeyOptions | undefined): void {
  const alias = options?.aliasType
  if (alias === undefined) return
  if (alias !== 'sm2')
    throw new TrafficError('BadOption', `option 'aliasType' of a key can be 'sm2', and is ${show(alias)}`)
  if (!isSM2(key)) throw new TrafficError('BadOption', "a key with aliasType 'sm2' must be on the curve SM2")
}

/** 1.2.156.10197.1.301, the curve SM2, as DER writes it. */
const sm2Oid = Buffer.from('06082a811ccf5501822d', 'hex')

/** Node has no name for keys on this curve: it is known by what the key holds. */
export const isSM2 = (key: KeyObject): boolean =>
  key.asymmetricKeyType === undefined &&
  publicHalf(key).export({ type: 'spki', format: 'der' }).includes(sm2Oid)

const publicHalf = (key: KeyObject): KeyObject => (key.type === 'private' ? createPublicKey(key) : key)
