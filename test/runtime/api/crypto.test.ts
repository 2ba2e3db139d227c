/** Digests, ciphers, signatures, keys and tokens: known answers, and what one half makes the other accepts. */

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import * as crypto from '../../../runtime/api/crypto/index.ts'
import { Data } from '../../../runtime/data.ts'

const rsa = new crypto.PrivateKey({ type: 'rsa' })
const ec = new crypto.PrivateKey({ type: 'ec' })
const p384 = new crypto.PrivateKey({ type: 'ec', curve: 'P-384' })
const p521 = new crypto.PrivateKey({ type: 'ec', curve: 'P-521' })
const sm2 = new crypto.PrivateKey({ type: 'ec', curve: 'SM2' }, { aliasType: 'sm2' })

test('digests of text, Data and encoded text are those of the standards', t => {
  t.is(
    new crypto.Hash('sha256').update('abc').digest('hex'),
    'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
  )
  t.is(
    new crypto.Hash('sm3').update(new Data('abc')).digest('hex'),
    '66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0',
  )
  t.is(new crypto.Hash('md5').update('616263', 'hex').digest().toString('base64'), 'kAFQmDzST7DWlj99KOF/cg==')
  t.is(
    new crypto.Hmac('sha256', new Data('key'))
      .update('The quick brown fox ')
      .update('jumps over the lazy dog')
      .digest('hex'),
    'f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8',
  )
})

test('every digest of Pipy that OpenSSL has works, and the others are refused by name', t => {
  const names =
    'md5 md5-sha1 blake2b512 blake2s256 sha1 sha224 sha256 sha384 sha512 sha512-224 sha512-256 ' +
    'sha3-224 sha3-256 sha3-384 sha3-512 shake128 shake256 ripemd160 sm3'
  for (const name of names.split(' ')) t.true(new crypto.Hash(name).update('a').digest().size >= 16, name)
  for (const name of ['md4', 'mdc2', 'whirlpool'])
    t.throws(() => new crypto.Hash(name), { message: new RegExp(`'${name}'.*legacy`) })
  t.throws(() => new crypto.Hash('sha265'), { message: /has no digest "sha265"; did you mean/ })
  t.throws(() => new crypto.Hash(7 as never), { message: /no digest 7/ })
  t.throws(() => new crypto.Hash('sha1').update(7 as never), { message: /wants text or Data, and got 7/ })
})

test('what a cipher encrypts its decipher decrypts, however it is cut', t => {
  const algorithms = ['sm4-cbc', 'sm4-ecb', 'sm4-cfb', 'sm4-cfb128', 'sm4-ofb', 'sm4-ctr', 'aes-128-cbc']
  fc.assert(
    fc.property(
      fc.constantFrom(...algorithms),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
      fc.array(fc.uint8Array({ maxLength: 50 })),
      (algorithm, key, pieces) => {
        const iv = algorithm.endsWith('ecb') ? undefined : new Data('0123456789abcdef')
        const cipher = new crypto.Cipher(algorithm, { key: new Data(key), iv })
        const secret = new Data()
        for (const piece of pieces) secret.push(cipher.update(new Data(piece)))
        secret.push(cipher.final())
        const decipher = new crypto.Decipher(algorithm, { key, iv })
        const plain = new Data()
        while (secret.size > 0) plain.push(decipher.update(secret.shift(7)))
        plain.push(decipher.final())
        t.deepEqual(plain.bytes(), Buffer.concat(pieces))
      },
    ),
  )
})

test('a cipher with a key of the wrong size, or unknown, says so', t => {
  t.throws(() => new crypto.Cipher('sm4-cbc', { key: 'short', iv: '0123456789abcdef' }), {
    message: /Cipher sm4-cbc: Invalid key length/,
  })
  t.throws(() => new crypto.Cipher('sm5-cbc', { key: '' }), { message: /no cipher "sm5-cbc"; did you mean/ })
  const garbled = new crypto.Decipher('aes-128-cbc', { key: '0123456789abcdef', iv: '0123456789abcdef' })
  garbled.update('0123456789abcdef')
  t.throws(() => garbled.final(), { code: 'BadOption' })
})

test('what a private key signs its public key accepts, and nothing else', t => {
  for (const [key, digest] of [
    [rsa, 'sha256'],
    [ec, 'sha384'],
    [sm2, 'sm3'],
  ] as const) {
    const signature = new crypto.Sign(digest).update('hello ').update(new Data('world')).sign(key)
    const verify = (text: string, given: Data): boolean =>
      new crypto.Verify(digest).update(text).verify(new crypto.PublicKey(key), given)
    t.true(verify('hello world', signature))
    t.false(verify('hello World', signature))
    const text = new crypto.Sign(digest).update('x').sign(key, 'base64')
    const pem = new crypto.PublicKey(key).toPEM()
    t.true(new crypto.Verify(digest).update('x').verify(pem, text, 'base64'))
  }
})

test('an SM2 signature with an identity is what OpenSSL signs and accepts', t => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-sm2-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const file = (name: string): string => join(folder, name)
  const id = '1234567812345678'
  const publicKey = new crypto.PublicKey(sm2.toPEM(), { aliasType: 'sm2' })
  writeFileSync(file('message'), 'hello')
  writeFileSync(file('key'), sm2.toPEM())
  writeFileSync(file('public'), publicKey.toPEM())
  const openssl = (...args: string[]): string =>
    execFileSync(
      'openssl',
      ['pkeyutl', '-rawin', '-digest', 'sm3', '-in', file('message'), '-pkeyopt', `distid:${id}`, ...args],
      { encoding: 'utf8' },
    )
  const verify = (signature: Data, given?: string): boolean =>
    new crypto.Verify('sm3').update('hello').verify(publicKey, signature, { id: given })

  const mine = new crypto.Sign('sm3').update('hello').sign(sm2, { id: new Data(id) })
  writeFileSync(file('mine'), mine.bytes())
  t.regex(
    openssl('-verify', '-pubin', '-inkey', file('public'), '-sigfile', file('mine')),
    /Verified Success/,
  )
  openssl('-sign', '-inkey', file('key'), '-out', file('theirs'))
  const theirs = new Data(readFileSync(file('theirs')))
  t.true(verify(mine, id))
  t.true(verify(theirs, id))
  t.false(verify(theirs, 'someone else'))
  t.false(verify(theirs))
  t.throws(() => new crypto.Sign('sha256').update('x').sign(rsa, { id }), { message: /curve SM2/ })
  t.throws(() => new crypto.PublicKey(rsa, { aliasType: 'sm2' }), { message: /curve SM2/ })
})

test('keys survive PEM, and what is no key is refused', t => {
  t.is(new crypto.PrivateKey(new Data(rsa.toPEM())).toPEM(), rsa.toPEM())
  t.is(new crypto.PublicKey(rsa.toPEM()).toPEM(), new crypto.PublicKey(rsa).toPEM())
  t.throws(() => new crypto.PrivateKey('nonsense'), { message: /PrivateKey wants a private key in PEM/ })
  t.throws(() => new crypto.PublicKey(new Data('nonsense')), {
    message: /PublicKey wants a public key in PEM/,
  })
  t.throws(() => new crypto.PrivateKey({ type: 'rot13' } as never), { message: /not "rot13"/ })
  t.throws(() => new crypto.Sign('sha256').sign(new crypto.PublicKey(rsa) as never), {
    message: /PrivateKey/,
  })
})

test('a certificate tells its names and times', t => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-cert-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const [keyFile, file] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  const subject = '/C=NZ/O=Sluice/CN=example.test'
  const names = 'subjectAltName=DNS:example.test,IP:10.0.0.1'
  execFileSync('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '7'],
    ...['-keyout', keyFile, '-out', file, '-subj', subject, '-addext', names],
  ])
  const pem = new Data(readFileSync(file))
  const certificate = new crypto.Certificate(pem)
  t.deepEqual(certificate.subject, { C: 'NZ', O: 'Sluice', CN: 'example.test' })
  t.deepEqual(certificate.issuer, certificate.subject)
  t.deepEqual(certificate.subjectAltNames.slice(0, 1), ['example.test'])
  t.is(certificate.notAfter - certificate.notBefore, 7 * 86_400_000)
  const key = new crypto.PrivateKey(readFileSync(keyFile, 'utf8'))
  t.is(certificate.publicKey.toPEM(), new crypto.PublicKey(key).toPEM())
  const chain = new crypto.CertificateChain(`${pem}\n# and once more\n${pem}`)
  t.is(chain.certificates.length, 2)
  t.is(chain.toPEM(), certificate.toPEM().repeat(2))
  t.throws(() => new crypto.CertificateChain('none'), { message: /there is none/ })
  t.throws(() => new crypto.Certificate('none'), { message: /Certificate wants/ })
})

const keys = {
  HS256: ['secret', 'secret'],
  HS384: ['secret', new Data('secret')],
  HS512: [new Data('secret'), new crypto.JWK({ kty: 'oct', k: 'c2VjcmV0' })],
  RS256: [rsa, new crypto.PublicKey(rsa)],
  RS384: [rsa, new crypto.PublicKey(rsa).toPEM()],
  RS512: [rsa, new crypto.JWK(rsa.keyObject.export({ format: 'jwk' }))],
  ES256: [ec, new crypto.PublicKey(ec)],
  ES384: [p384, new Data(new crypto.PublicKey(p384).toPEM())],
  ES512: [p521, new crypto.JWK(p521.keyObject.export({ format: 'jwk' }))],
} as const

test('a token is accepted with the key of who signed it, and with no bit changed', t => {
  const names = Object.keys(keys) as crypto.JWTAlgorithm[]
  fc.assert(
    fc.property(
      fc.constantFrom(...names),
      fc.dictionary(fc.string(), fc.jsonValue()),
      fc.nat(),
      (name, payload, at) => {
        const [key, checker] = keys[name]
        const text = crypto.JWT.sign(payload, key, name, { kid: 'k' })
        const token = new crypto.JWT(text)
        t.true(token.isValid)
        t.true(token.verify(checker))
        t.deepEqual(token.payload, JSON.parse(JSON.stringify(payload)))
        t.is(token.header.kid, 'k')
        const where = at % (text.length - 1)
        const other = text[where] === 'A' ? 'B' : 'A'
        const forged = new crypto.JWT(text.slice(0, where) + other + text.slice(where + 1))
        t.false(forged.verify(checker))
      },
    ),
    { numRuns: 60 },
  )
})

test('a token signed with the public key as if it were a secret is refused', t => {
  const pem = new crypto.PublicKey(rsa).toPEM()
  const forged = new crypto.JWT(crypto.JWT.sign({ admin: true }, pem, 'HS256'))
  t.true(forged.isValid)
  t.false(forged.verify(pem))
  t.false(forged.verify(new Data(pem)))
  t.false(forged.verify(new crypto.PublicKey(rsa)))
  t.false(forged.verify(new crypto.JWK(rsa.keyObject.export({ format: 'jwk' }))))
})

test('tokens without a signature, of unknown algorithms or in another form are not valid', t => {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const good = crypto.JWT.sign({ a: 1 }, 'secret')
  for (const text of [
    '',
    'a.b',
    `${part({ alg: 'none' })}.${part({})}.`,
    `${part({ alg: 'toString' })}.${part({})}.AAAA`,
    `${part({ alg: 'HS256', crit: ['exp'] })}.${part({})}.AAAA`,
    `${part([])}.${part({})}.AAAA`,
    `${good}.x`,
    ` ${good}`,
    undefined as never,
  ]) {
    const token = new crypto.JWT(text)
    t.false(token.isValid, text)
    t.false(token.verify('secret'), text)
  }
  t.false(new crypto.JWT(crypto.JWT.sign({}, ec, 'ES256')).verify(new crypto.PublicKey(p384)))
  t.throws(() => crypto.JWT.sign({}, 'x', 'HS265' as never), { message: /did you mean 'HS256'/ })
  t.throws(() => crypto.JWT.sign({}, p384, 'ES256'), { message: /curve prime256v1/ })
  t.throws(() => crypto.JWT.sign({}, rsa, 'HS256'), { message: /shared secret/ })
})

test('a token of RFC 7515 §A.1 is accepted', t => {
  const token = new crypto.JWT(
    'eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxl' +
      'LmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk',
  )
  const k = 'AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow'
  t.true(token.verify(new crypto.JWK({ kty: 'oct', k })))
  t.is(token.payload.iss, 'joe')
})

test('a JWK that lacks a member says which', t => {
  t.throws(() => new crypto.JWK({ kty: 'RSA', n: 'AQAB' }), { message: /wants 'e'/ })
  t.throws(() => new crypto.JWK({ kty: 'constructor' }), { message: /got "constructor"/ })
  t.throws(() => new crypto.JWK(undefined as never), { message: /JWK wants an object/ })
  t.throws(() => new crypto.JWK({ kty: 'EC', crv: 'P-1', x: 'a', y: 'b' }), { message: /^.*JWK/ })
})
