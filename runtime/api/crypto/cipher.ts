import { createCipheriv, createDecipheriv } from 'node:crypto'
import { Data } from '../../data.ts'
import { cipherName } from './algorithms.ts'
import { attempt, bytesOf, type Content } from './content.ts'

export interface CipherOptions {
  key: Content
  /** Initialization vector, for modes that have one. */
  iv?: Content | null | undefined
}

/**
 * Encrypts.
 *
 * @example
 *   const cipher = new crypto.Cipher('sm4-cbc', { key, iv })
 *   cipher.update('secret').push(cipher.final())
 */
export class Cipher {
  private readonly cipher: ReturnType<typeof createCipheriv>

  /**
   * @param algorithm a name of OpenSSL: 'aes-256-cbc', 'sm4-cbc', 'chacha20' and so on.
   * @throws TrafficError `BadOption` on an unknown algorithm, or a key or IV of the wrong size.
   */
  constructor(algorithm: string, options: CipherOptions) {
    const name = cipherName(algorithm)
    this.cipher = attempt(`Cipher ${name}`, () =>
      createCipheriv(name, bytesOf(options.key), options.iv ? bytesOf(options.iv) : null),
    )
  }

  /** Encrypts some more. Returns what is ready. */
  update(content: Content): Data {
    return Data.over(attempt('Cipher', () => this.cipher.update(bytesOf(content))))
  }

  /** Encrypts the rest. */
  final(): Data {
    return Data.over(attempt('Cipher', () => this.cipher.final()))
  }
}

/** Decrypts what `Cipher` has encrypted. */
export class Decipher {
  private readonly decipher: ReturnType<typeof createDecipheriv>

  /** @throws TrafficError `BadOption` on an unknown algorithm, or a key or IV of the wrong size. */
  constructor(algorithm: string, options: CipherOptions) {
    const name = cipherName(algorithm)
    this.decipher = attempt(`Decipher ${name}`, () =>
      createDecipheriv(name, bytesOf(options.key), options.iv ? bytesOf(options.iv) : null),
    )
  }

  /** Decrypts some more. Returns what is ready. */
  update(content: Content): Data {
    return Data.over(attempt('Decipher', () => this.decipher.update(bytesOf(content))))
  }

  /**
   * Decrypts the rest.
   *
   * @throws TrafficError `BadOption` when it was not encrypted with this key.
   */
  final(): Data {
    return Data.over(attempt('Decipher', () => this.decipher.final()))
  }
}
