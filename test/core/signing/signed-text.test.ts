import { execFileSync } from 'node:child_process'
import { createHash, generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  makeSigningKey,
  privatePem,
  publicBase64,
  publicPem,
  signingKeyFrom,
  verifyingKeyFrom,
} from '../../../core/signing/keys.ts'
import { isSignature, isSignedBy, signText } from '../../../core/signing/signed-text.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'patchbase-signing-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' })
const write = (name: string, content: string | Buffer) => writeFileSync(join(folder, name), content)
const read = (name: string) => readFileSync(join(folder, name))
const flip = (text: string, at: number) =>
  text.slice(0, at) + (text[at] === 'A' ? 'B' : 'A') + text.slice(at + 1)

describe('a signature', () => {
  const key = makeSigningKey()
  const text = '{"of":"this"}'
  const signature = signText('domain-v1', text, key)

  it('holds for its text, domain and key, and for nothing else', () => {
    expect(isSignedBy('domain-v1', text, signature, key)).toBe(true)
    expect(isSignedBy('domain-v1', `${text} `, signature, key)).toBe(false)
    expect(isSignedBy('domain-v2', text, signature, key)).toBe(false)
    expect(isSignedBy('', `domain-v1${text}`, signature, key)).toBe(false)
    // What separates the domain from the text stands in no domain.
    expect(isSignedBy('domain', `-v1\0${text}`, signature, key)).toBe(false)
    expect(isSignedBy('domain-v1', text, signature, makeSigningKey())).toBe(false)
    for (let at = 0; at < 86; at += 5)
      expect(isSignedBy('domain-v1', text, flip(signature, at), key)).toBe(false)
  })

  it('is base64 of 64 bytes in its one form', () => {
    expect(isSignature(signature)).toBe(true)
    const others = [
      '',
      signature.slice(0, -1),
      `${signature}\n`,
      ` ${signature}`,
      signature.replace('==', ''),
      'A'.repeat(88),
      Buffer.alloc(63).toString('base64'),
      Buffer.alloc(65).toString('base64'),
      // The bits that no byte has are not free: one signature, one text.
      `${'A'.repeat(85)}B==`,
    ]
    for (const other of others) expect(isSignature(other)).toBe(false)
  })
})

describe('a key', () => {
  it('is called by the hash of its raw bytes', () => {
    const key = makeSigningKey()
    const raw = Buffer.from(publicBase64(key), 'base64')
    expect(raw).toHaveLength(32)
    expect(key.id).toBe(createHash('sha256').update(raw).digest('hex').slice(0, 16))
    expect(verifyingKeyFrom(publicPem(key)).id).toBe(key.id)
    expect(signingKeyFrom(privatePem(key)).id).toBe(key.id)
  })

  it('of ours signs and verifies with openssl', () => {
    const key = makeSigningKey()
    write('ours.key', privatePem(key))
    write('ours.pub', publicPem(key))
    write('message', 'domain-v1\0text')
    write('ours.sig', Buffer.from(signText('domain-v1', 'text', key), 'base64'))
    const verify = ['pkeyutl', '-verify', '-rawin', '-in', 'message', '-pubin', '-inkey', 'ours.pub']
    expect(String(openssl(...verify, '-sigfile', 'ours.sig'))).toContain('Verified Successfully')
    openssl('pkeyutl', '-sign', '-rawin', '-in', 'message', '-inkey', 'ours.key', '-out', 'theirs.sig')
    expect(read('theirs.sig')).toEqual(read('ours.sig'))
  })

  it('made by openssl signs and verifies here, with a passphrase too', () => {
    openssl('genpkey', '-algorithm', 'ed25519', '-out', 'theirs.key')
    openssl('pkey', '-in', 'theirs.key', '-pubout', '-out', 'theirs.pub')
    openssl('pkey', '-in', 'theirs.key', '-aes256', '-passout', 'pass:open sesame', '-out', 'locked.key')
    const key = signingKeyFrom(String(read('theirs.key')))
    const publicKey = verifyingKeyFrom(String(read('theirs.pub')))
    expect(isSignedBy('d', 't', signText('d', 't', key), publicKey)).toBe(true)
    const locked = String(read('locked.key'))
    expect(signingKeyFrom(locked, 'open sesame').id).toBe(key.id)
    expect(() => signingKeyFrom(locked, 'wrong')).toThrow('does not open with this passphrase')
    expect(() => signingKeyFrom(locked)).toThrow('does not open with this passphrase')
  })

  it('of another kind, or the other half, is refused with a reason', () => {
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const pem = { format: 'pem' } as const
    const key = makeSigningKey()
    const privateRsa = rsa.privateKey.export({ ...pem, type: 'pkcs8' }).toString()
    const publicRsa = rsa.publicKey.export({ ...pem, type: 'spki' }).toString()
    expect(() => signingKeyFrom(privateRsa)).toThrow('is no Ed25519 key')
    expect(() => verifyingKeyFrom(publicRsa)).toThrow('is no Ed25519 key')
    expect(() => signingKeyFrom(publicPem(key))).toThrow('is a public key')
    expect(() => verifyingKeyFrom(privatePem(key))).toThrow('is a private key')
    expect(() => signingKeyFrom('nonsense')).toThrow('is no private key in PEM form')
    expect(() => verifyingKeyFrom('nonsense')).toThrow('is no public key in PEM form')
  })
})
