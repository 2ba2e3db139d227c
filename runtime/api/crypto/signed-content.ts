import { createHash, createPublicKey, createSign, createVerify, type KeyObject } from 'node:crypto'
import { Data, type Encoding } from '../../data.ts'
import { TrafficError } from '../../errors.ts'
import { digestName } from './algorithms.ts'
import { attempt, bytesOf, type Content } from './content.ts'
import { isSM2 } from './private-key.ts'

export interface SignOptions {
  /** Identity of the signer, for SM2: goes into what is signed (GB/T 32918.2 §5.5). */
  id?: Content | null | undefined
}

/** What `Sign` and `Verify` have in common: content that comes in pieces, and the identity in front of it. */
export class SignedContent {
  private readonly algorithm: string
  private readonly content = new Data()

  constructor(algorithm: string) {
    this.algorithm = digestName(algorithm)
  }

  add(content: Content, encoding?: Encoding): void {
    this.content.push(bytesOf(content, encoding))
  }

  sign(key: KeyObject, options: SignOptions | undefined): Data {
    return attempt('Sign', () => {
      const sign = createSign(this.algorithm)
      if (options?.id) sign.update(identityOf(createPublicKey(key), options.id))
      return Data.over(sign.update(this.content.bytes()).sign(key))
    })
  }

  verify(key: KeyObject, signature: Uint8Array, options: SignOptions | undefined): boolean {
    return attempt('Verify', () => {
      const verify = createVerify(this.algorithm)
      if (options?.id) verify.update(identityOf(key, options.id))
      return verify.update(this.content.bytes()).verify(key, signature)
    })
  }
}

/** a, b, and the base point's x and y of the curve SM2 (GB/T 32918.5 §A.2). */
const curve = Buffer.from(
  'fffffffeffffffffffffffffffffffffffffffff00000000fffffffffffffffc' +
    '28e9fa9e9d9f5e344d5a9e4bcf6509a7f39789f515ab8f92ddbcbd414d940e93' +
    '32c4ae2c1f1981195f9904466a39c9948fe30bbff2660be1715a4589334c74c7' +
    'bc3736a2f4f6779c59bdcee36b692153d0a9877cc62a474002df32e52139f0a0',
  'hex',
)

/** The digest of identity, curve and public key that stands before what SM2 signs. */
function identityOf(key: KeyObject, id: Content): Uint8Array {
  if (!isSM2(key))
    throw new TrafficError('BadOption', "option 'id' of sign and verify is for keys on the curve SM2")
  const bytes = bytesOf(id)
  const bits = bytes.length * 8
  // The public point stands last in SubjectPublicKeyInfo: 04, x, y of 32 bytes each.
  const point = key.export({ type: 'spki', format: 'der' }).subarray(-64)
  return createHash('sm3')
    .update(Uint8Array.of(bits >> 8, bits & 255))
    .update(bytes)
    .update(curve)
    .update(point)
    .digest()
}
