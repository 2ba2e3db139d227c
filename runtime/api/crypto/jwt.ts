import { createHmac, sign as signBytes, timingSafeEqual, verify as verifyBytes } from 'node:crypto'
import { Data } from '../../data.ts'
import { TrafficError } from '../../errors.ts'
import { nearest } from '../../nearest.ts'
import { show } from '../../options.ts'
import { attempt, bytesOf, type Content, textOf } from './content.ts'
import { JWK } from './jwk.ts'
import { PrivateKey } from './private-key.ts'
import { PublicKey } from './public-key.ts'

/** Kind of key and digest of each algorithm (RFC 7518 §3.1). 'none' is not one of them. */
const algorithms = {
  HS256: { kind: 'secret', digest: 'sha256', curve: '' },
  HS384: { kind: 'secret', digest: 'sha384', curve: '' },
  HS512: { kind: 'secret', digest: 'sha512', curve: '' },
  RS256: { kind: 'rsa', digest: 'sha256', curve: '' },
  RS384: { kind: 'rsa', digest: 'sha384', curve: '' },
  RS512: { kind: 'rsa', digest: 'sha512', curve: '' },
  ES256: { kind: 'ec', digest: 'sha256', curve: 'prime256v1' },
  ES384: { kind: 'ec', digest: 'sha384', curve: 'secp384r1' },
  ES512: { kind: 'ec', digest: 'sha512', curve: 'secp521r1' },
} as const

export type JWTAlgorithm = keyof typeof algorithms

const isAlgorithm = (name: unknown): name is JWTAlgorithm =>
  typeof name === 'string' && Object.hasOwn(algorithms, name)

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')

/**
 * A signed token (RFC 7519). What it claims, times included, is the script's to judge; `verify` says who made it.
 *
 * @example
 *   const token = new crypto.JWT(req.head.headers.authorization.substring(7))
 *   token.isValid && token.verify(key) && token.payload.exp > Date.now() / 1000
 */
export class JWT {
  /** Whether it has the form of a token with an algorithm that is known. It may still be forged: see `verify`. */
  readonly isValid: boolean
  // biome-ignore lint/suspicious/noExplicitAny: like JSON.parse, since what comes is for the caller to know.
  readonly header: any
  // biome-ignore lint/suspicious/noExplicitAny: see header
  readonly payload: any
  private readonly algorithm: JWTAlgorithm | undefined
  private readonly signed: string
  private readonly signature: Uint8Array

  constructor(token: string) {
    const parts = typeof token === 'string' ? token.split('.') : []
    const [header, payload, signature] = parts
    const whole = parts.length === 3 && parts.every(part => /^[\w-]*$/.test(part))
    this.header = whole ? objectOf(header as string) : undefined
    this.payload = whole ? objectOf(payload as string) : undefined
    this.algorithm = isAlgorithm(this.header?.alg) ? this.header.alg : undefined
    this.signed = `${header}.${payload}`
    this.signature = bytesOf(whole ? (signature as string) : '', 'base64url')
    // An extension that must be understood (RFC 7515 §4.1.11) is not, since there are none here.
    this.isValid =
      this.algorithm !== undefined && this.payload !== undefined && this.header.crit === undefined
  }

  /**
   * Whether it was signed with this key. A key of another kind than the token's algorithm needs never fits, so that
   * a public key is not taken for a shared secret.
   *
   * @param key a JWK or PublicKey; text or Data is the shared secret of HS…, and a key in PEM for the others.
   */
  verify(key: JWK | PublicKey | Content): boolean {
    if (!this.isValid || this.algorithm === undefined) return false
    const { kind, digest, curve } = algorithms[this.algorithm]
    if (kind === 'secret') {
      const secret = secretOf(key)
      if (secret === undefined) return false
      const expected = createHmac(digest, secret).update(this.signed).digest()
      return expected.length === this.signature.length && timingSafeEqual(expected, this.signature)
    }
    const { keyObject } = key instanceof JWK || key instanceof PublicKey ? key : new PublicKey(key)
    if (keyObject.asymmetricKeyType !== kind) return false
    if (kind === 'ec' && keyObject.asymmetricKeyDetails?.namedCurve !== curve) return false
    return verifyBytes(
      digest,
      Buffer.from(this.signed),
      { key: keyObject, dsaEncoding: 'ieee-p1363' },
      this.signature,
    )
  }

  /**
   * Makes a token.
   *
   * @param key a PrivateKey, or text or Data: the shared secret of HS…, and a private key in PEM for the others.
   * @param algorithm 'HS256' to 'ES512'.
   * @param header members for its header, besides `alg` and `typ`.
   * @throws TrafficError `BadOption` on an unknown algorithm, or a key of another kind than it needs.
   */
  static sign(
    payload: object,
    key: PrivateKey | Content,
    algorithm: JWTAlgorithm = 'HS256',
    header?: object,
  ): string {
    if (!isAlgorithm(algorithm)) {
      const near = nearest(String(algorithm), Object.keys(algorithms))
      throw new TrafficError(
        'BadOption',
        `JWT has no algorithm ${show(algorithm)}${near === undefined ? '' : `; did you mean '${near}'?`}`,
      )
    }
    const { kind, digest, curve } = algorithms[algorithm]
    const signed = `${encode({ ...header, alg: algorithm, typ: 'JWT' })}.${encode(payload)}`
    if (kind === 'secret') {
      if (key instanceof PrivateKey)
        throw new TrafficError('BadOption', `${algorithm} wants a shared secret, not a PrivateKey`)
      return `${signed}.${createHmac(digest, bytesOf(key)).update(signed).digest('base64url')}`
    }
    const { keyObject } = key instanceof PrivateKey ? key : new PrivateKey(key)
    const fits =
      keyObject.asymmetricKeyType === kind &&
      (kind !== 'ec' || keyObject.asymmetricKeyDetails?.namedCurve === curve)
    if (!fits)
      throw new TrafficError(
        'BadOption',
        `${algorithm} wants a private key of type '${kind}'${curve === '' ? '' : ` on the curve ${curve}`}`,
      )
    const signature = attempt('JWT', () =>
      signBytes(digest, Buffer.from(signed), { key: keyObject, dsaEncoding: 'ieee-p1363' }),
    )
    return `${signed}.${signature.toString('base64url')}`
  }
}

/** The shared secret; undefined for what is a key of a pair, whose public half everyone may know. */
function secretOf(key: JWK | PublicKey | Content): Uint8Array | undefined {
  if (key instanceof JWK) return key.keyObject.type === 'secret' ? key.keyObject.export() : undefined
  if (key instanceof PublicKey) return undefined
  if (typeof key !== 'string' && !(key instanceof Data) && !(key instanceof Uint8Array)) return undefined
  return /-----BEGIN [A-Z ]+-----/.test(textOf(key)) ? undefined : bytesOf(key)
}

function objectOf(part: string): object | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString())
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined
  } catch {
    return undefined
  }
}
