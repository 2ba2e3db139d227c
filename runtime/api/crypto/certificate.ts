import { X509Certificate } from 'node:crypto'
import { attempt, type Content, textOf } from './content.ts'
import { PublicKey } from './public-key.ts'

/** Parts of a distinguished name: CN, O, OU and so on. */
export type DistinguishedName = Readonly<Record<string, string>>

/** An X.509 certificate in PEM. */
export class Certificate {
  /** The certificate as Node's crypto knows it. */
  readonly x509: X509Certificate

  /** @throws TrafficError `BadOption` when `pem` holds no certificate. */
  constructor(pem: Content) {
    this.x509 = attempt('Certificate wants a certificate in PEM', () => new X509Certificate(textOf(pem)))
  }

  get subject(): DistinguishedName {
    return nameOf(this.x509.subject)
  }

  get issuer(): DistinguishedName {
    return nameOf(this.x509.issuer)
  }

  /** Names and addresses that it is good for, without their kind. */
  get subjectAltNames(): string[] {
    return (this.x509.subjectAltName ?? '')
      .split(/,\s*/)
      .filter(name => name !== '')
      .map(name => name.slice(name.indexOf(':') + 1))
  }

  /** Milliseconds since the epoch. */
  get notBefore(): number {
    return Date.parse(this.x509.validFrom)
  }

  /** Milliseconds since the epoch. */
  get notAfter(): number {
    return Date.parse(this.x509.validTo)
  }

  get publicKey(): PublicKey {
    return new PublicKey(this.x509.publicKey)
  }

  toPEM(): string {
    return this.x509.toString()
  }
}

/** Node gives one `key=value` a line. */
function nameOf(lines: string): DistinguishedName {
  const name: Record<string, string> = {}
  for (const line of (lines ?? '').split('\n')) {
    const equals = line.indexOf('=')
    if (equals > 0) name[line.slice(0, equals)] = line.slice(equals + 1)
  }
  return name
}
