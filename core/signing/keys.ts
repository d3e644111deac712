import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto'

/** An Ed25519 public key. `id` is made from the key itself: the first 16 hex digits of its SHA-256. */
export type VerifyingKey = { id: string; key: KeyObject }
/** The private half, and whose it is. */
export type SigningKey = VerifyingKey & { privateKey: KeyObject }

/** A sentence's second half: what is wrong with a key, for an error that begins with where it was found. */
export class KeyError extends Error {
  override name = 'KeyError'
}

export const makeSigningKey = (): SigningKey => signingKey(generateKeyPairSync('ed25519').privateKey)

/** PKCS8, as openssl reads and writes it. */
export const privatePem = ({ privateKey }: SigningKey): string =>
  privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()

/** SPKI, as openssl reads and writes it. */
export const publicPem = ({ key }: VerifyingKey): string =>
  key.export({ type: 'spki', format: 'pem' }).toString()

/** Base64 of the raw 32 bytes, as keys travel. */
export const publicBase64 = ({ key }: VerifyingKey): string => rawOf(key).toString('base64')

export const isEncrypted = (pem: string): boolean => /ENCRYPTED/.test(pem)

/** Throws KeyError. */
export function signingKeyFrom(pem: string, passphrase?: string): SigningKey {
  if (pem.includes('PUBLIC KEY')) throw new KeyError('is a public key; the private one signs')
  let key: KeyObject
  try {
    key = createPrivateKey({ key: pem, passphrase })
  } catch {
    throw new KeyError(
      isEncrypted(pem) ? 'does not open with this passphrase' : 'is no private key in PEM form',
    )
  }
  if (key.asymmetricKeyType !== 'ed25519') throw new KeyError('is no Ed25519 key')
  return signingKey(key)
}

/** Throws KeyError. */
export function verifyingKeyFrom(pem: string): VerifyingKey {
  // Node would make the public half of it, and nobody would notice where the private one lies about.
  if (pem.includes('PRIVATE KEY')) throw new KeyError('is a private key; name the public one')
  let key: KeyObject
  try {
    key = createPublicKey(pem)
  } catch {
    throw new KeyError('is no public key in PEM form')
  }
  if (key.asymmetricKeyType !== 'ed25519') throw new KeyError('is no Ed25519 key')
  return verifyingKey(key)
}

const rawOf = (key: KeyObject): Buffer => Buffer.from(key.export({ format: 'jwk' }).x ?? '', 'base64url')

const verifyingKey = (key: KeyObject): VerifyingKey => ({
  id: createHash('sha256').update(rawOf(key)).digest('hex').slice(0, 16),
  key,
})

const signingKey = (privateKey: KeyObject): SigningKey => ({
  ...verifyingKey(createPublicKey(privateKey)),
  privateKey,
})
