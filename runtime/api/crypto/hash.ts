import { createHash, createHmac } from 'node:crypto'
import { Data, type Encoding } from '../../data.ts'
import { digestLength, digestName } from './algorithms.ts'
import { attempt, bytesOf, type Content } from './content.ts'

/**
 * Computes a digest.
 *
 * @example
 *   new crypto.Hash('sha256').update('hello').digest('hex')
 */
export class Hash {
  private readonly hash: ReturnType<typeof createHash>

  /**
   * @param algorithm 'sha256', 'sha3-512', 'blake2b512', 'sm3' and so on.
   * @throws TrafficError `BadOption` on one that OpenSSL here lacks.
   */
  constructor(algorithm: string) {
    const name = digestName(algorithm)
    const outputLength = digestLength(name)
    this.hash = attempt(`Hash ${name}`, () =>
      createHash(name, outputLength === undefined ? undefined : { outputLength }),
    )
  }

  /** Adds content; text is in `encoding`. Returns itself. */
  update(content: Content, encoding?: Encoding): this {
    this.hash.update(bytesOf(content, encoding))
    return this
  }

  /** The digest: Data, or text in an encoding. It ends the computation. */
  digest(): Data
  digest(encoding: Encoding): string
  digest(encoding?: Encoding): Data | string
  digest(encoding?: Encoding): Data | string {
    const digest = Data.over(attempt('Hash', () => this.hash.digest()))
    return encoding === undefined ? digest : digest.toString(encoding)
  }
}

/** Computes a digest with a key (HMAC, RFC 2104). */
export class Hmac {
  private readonly hmac: ReturnType<typeof createHmac>

  /** @throws TrafficError `BadOption` on a digest that OpenSSL here lacks. */
  constructor(algorithm: string, key: Content) {
    const name = digestName(algorithm)
    this.hmac = attempt(`Hmac ${name}`, () => createHmac(name, bytesOf(key)))
  }

  /** Adds content; text is in `encoding`. Returns itself. */
  update(content: Content, encoding?: Encoding): this {
    this.hmac.update(bytesOf(content, encoding))
    return this
  }

  /** The digest: Data, or text in an encoding. It ends the computation. */
  digest(): Data
  digest(encoding: Encoding): string
  digest(encoding?: Encoding): Data | string
  digest(encoding?: Encoding): Data | string {
    const digest = Data.over(attempt('Hmac', () => this.hmac.digest()))
    return encoding === undefined ? digest : digest.toString(encoding)
  }
}
