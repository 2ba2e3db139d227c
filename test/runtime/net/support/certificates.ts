/** Certificates for tests: a small authority, made anew for each run, so that none in the tree can expire. */

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Identity {
  readonly cert: string
  readonly key: string
}

export interface Certificates {
  readonly ca: string
  /** For localhost, 127.0.0.1 and ::1. */
  readonly server: Identity
  /** For other.test. */
  readonly other: Identity
  /** For a client. */
  readonly client: Identity
  /** Signed by nobody but itself. */
  readonly stranger: Identity
}

export function makeCertificates(): Certificates {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-certificates-'))
  const openssl = (...args: string[]): void => {
    execFileSync('openssl', args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })
  }
  const read = (name: string): string => readFileSync(join(folder, name), 'utf8')
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'] as const
  const selfSigned = (name: string, subject: string): Identity => {
    openssl(
      'req',
      '-x509',
      ...curve,
      '-days',
      '2',
      '-subj',
      subject,
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.pem`,
    )
    return { cert: read(`${name}.pem`), key: read(`${name}.key`) }
  }
  const signed = (name: string, subject: string, extensions: string): Identity => {
    writeFileSync(join(folder, `${name}.ext`), extensions)
    openssl('req', ...curve, '-subj', subject, '-keyout', `${name}.key`, '-out', `${name}.csr`)
    openssl(
      ...[
        'x509',
        '-req',
        '-days',
        '2',
        '-in',
        `${name}.csr`,
        '-out',
        `${name}.pem`,
        '-extfile',
        `${name}.ext`,
      ],
      ...['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial'],
    )
    return { cert: read(`${name}.pem`), key: read(`${name}.key`) }
  }
  try {
    return {
      ca: selfSigned('ca', '/CN=Test authority').cert,
      server: signed('server', '/CN=localhost', 'subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1'),
      other: signed('other', '/CN=other.test', 'subjectAltName=DNS:other.test'),
      client: signed('client', '/CN=client', 'extendedKeyUsage=clientAuth'),
      stranger: selfSigned('stranger', '/CN=stranger'),
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}
