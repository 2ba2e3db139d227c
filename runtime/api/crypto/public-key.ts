import { createPublicKey, KeyObject } from 'node:crypto'
import { attempt, type Content, textOf } from './content.ts'
import { checkAlias, type KeyOptions, PrivateKey } from './private-key.ts'

/**
 * The public half of a key pair, in PEM: for `Verify` and `JWT`.
 *
 * @example
 *   const key = new crypto.PublicKey(pipy.load('keys/issuer.pem'))
 */
export class PublicKey {
  /** The key as Node's crypto knows it. */
  readonly keyObject: KeyObject

  /**
   * @param pem text or Data with a public key, a certificate or a private key; or a PrivateKey, to have its other half.
   * @throws TrafficError `BadOption` when it holds no key.
   */
  constructor(pem: Content | PrivateKey | KeyObject, options?: KeyOptions) {
    if (pem instanceof KeyObject) this.keyObject = pem
    else
      this.keyObject = attempt('PublicKey wants a public key in PEM', () =>
        pem instanceof PrivateKey
          ? createPublicKey(pem.keyObject)
          : createPublicKey({ key: textOf(pem), format: 'pem' }),
      )
    checkAlias(this.keyObject, options)
  }

  /** The key in PEM (SubjectPublicKeyInfo). */
  toPEM(): string {
    return this.keyObject.export({ type: 'spki', format: 'pem' }) as string
  }
}
