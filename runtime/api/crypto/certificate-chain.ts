import { TrafficError } from '../../errors.ts'
import { Certificate } from './certificate.ts'
import { type Content, textOf } from './content.ts'

const block = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g

/** Certificates in PEM, one after the other: that of a server first, then those that vouch for it. */
export class CertificateChain {
  readonly certificates: readonly Certificate[]

  /** @throws TrafficError `BadOption` when `pem` holds no certificate, or one that cannot be read. */
  constructor(pem: Content) {
    const blocks = textOf(pem).match(block) ?? []
    if (blocks.length === 0)
      throw new TrafficError('BadOption', 'CertificateChain wants certificates in PEM, and there is none')
    this.certificates = blocks.map(one => new Certificate(one))
  }

  toPEM(): string {
    return this.certificates.map(certificate => certificate.toPEM()).join('')
  }
}
