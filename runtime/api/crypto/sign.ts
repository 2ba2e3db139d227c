import type { Data, Encoding } from '../../data.ts'
import { TrafficError } from '../../errors.ts'
import { show } from '../../options.ts'
import { bytesOf, type Content } from './content.ts'
import { PrivateKey } from './private-key.ts'
import { PublicKey } from './public-key.ts'
import { SignedContent, type SignOptions } from './signed-content.ts'

/**
 * Signs with a private key: RSA (PKCS #1), DSA, ECDSA, SM2.
 *
 * @example
 *   const sign = new crypto.Sign('sha256')
 *   sign.update(body)
 *   sign.sign(privateKey, 'base64')
 */
export class Sign {
  private readonly content: SignedContent

  /** @throws TrafficError `BadOption` on a digest that OpenSSL here lacks. */
  constructor(algorithm: string) {
    this.content = new SignedContent(algorithm)
  }

  /** Adds content; text is in `encoding`. Returns itself. */
  update(content: Content, encoding?: Encoding): this {
    this.content.add(content, encoding)
    return this
  }

  /** The signature: Data, or text in an encoding. */
  sign(key: PrivateKey, options?: SignOptions): Data
  sign(key: PrivateKey, encoding: Encoding, options?: SignOptions): string
  sign(key: PrivateKey, second?: Encoding | SignOptions, third?: SignOptions): Data | string {
    if (!(key instanceof PrivateKey))
      throw new TrafficError('BadOption', `sign wants a PrivateKey, and got ${show(key)}`)
    const isText = typeof second === 'string'
    const signature = this.content.sign(key.keyObject, isText ? third : second)
    return isText ? signature.toString(second) : signature
  }
}

/** Checks what `Sign` has signed. */
export class Verify {
  private readonly content: SignedContent

  /** @throws TrafficError `BadOption` on a digest that OpenSSL here lacks. */
  constructor(algorithm: string) {
    this.content = new SignedContent(algorithm)
  }

  /** Adds content; text is in `encoding`. Returns itself. */
  update(content: Content, encoding?: Encoding): this {
    this.content.add(content, encoding)
    return this
  }

  /**
   * Whether this is the signature of the content.
   *
   * @param key a PublicKey, or one in PEM.
   * @param signature Data, or text in an encoding.
   */
  verify(key: PublicKey | Content, signature: Data | Uint8Array, options?: SignOptions): boolean
  verify(key: PublicKey | Content, signature: string, encoding?: Encoding, options?: SignOptions): boolean
  verify(
    key: PublicKey | Content,
    signature: Content,
    third?: Encoding | SignOptions,
    fourth?: SignOptions,
  ): boolean {
    const { keyObject } = key instanceof PublicKey ? key : new PublicKey(key)
    const isText = typeof third === 'string'
    return this.content.verify(
      keyObject,
      bytesOf(signature, isText ? third : undefined),
      isText ? fourth : (third ?? fourth),
    )
  }
}
