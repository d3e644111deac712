import { createHash, createPublicKey, type KeyObject } from 'node:crypto'
import { z } from 'zod'
import { AgentError } from './errors.ts'

/** Who holds the private half: the server itself, or an operator who keeps it away from every server. */
export type KeyKind = 'server' | 'offline'
export type TrustedKey = { id: string; kind: KeyKind; key: KeyObject }

/** A key as the server's answer to `register` has it, and as agent.json keeps it. `id` is for people to read. */
export const StoredKey = z.object({
  id: z.string().default(''),
  kind: z.enum(['server', 'offline']),
  /** Base64 of the raw 32 bytes. */
  public_key: z.string(),
})
export type StoredKey = z.infer<typeof StoredKey>

/** More keys than that are no list anybody looks after. */
export const KEYS_MAX = 16
const RAW_BASE64 = /^[A-Za-z0-9+/]{43}=$/

const rawOf = (key: KeyObject) => Buffer.from(key.export({ format: 'jwk' }).x ?? '', 'base64url')

/** Made from the key itself, whatever name came with it. */
const keyOf = (key: KeyObject, kind: KeyKind): TrustedKey => ({
  id: createHash('sha256').update(rawOf(key)).digest('hex').slice(0, 16),
  kind,
  key,
})

/** `named` says in an error where the key was found. */
export const keyFromRaw = (base64: string, kind: KeyKind, named: string): TrustedKey => {
  if (!RAW_BASE64.test(base64))
    throw new AgentError(`${named} is no Ed25519 public key: base64 of 32 bytes is expected.`)
  const x = Buffer.from(base64, 'base64').toString('base64url')
  return keyOf(createPublicKey({ format: 'jwk', key: { kty: 'OKP', crv: 'Ed25519', x } }), kind)
}

/** An operator's key, from the text of a PEM file. */
export const keyFromPem = (text: string, named: string): TrustedKey => {
  // Node would make the public half of it, and the private one would lie on every host.
  if (text.includes('PRIVATE KEY'))
    throw new AgentError(`${named} is a private key; keep it away from this host and name the public one.`)
  let key: KeyObject | undefined
  try {
    key = createPublicKey({ key: text, format: 'pem' })
  } catch {
    key = undefined
  }
  if (key?.asymmetricKeyType !== 'ed25519')
    throw new AgentError(
      `${named} is no Ed25519 public key in PEM form, as "npm run sign -- keygen" makes it.`,
    )
  return keyOf(key, 'offline')
}

export const storedKey = ({ id, kind, key }: TrustedKey): StoredKey => ({
  id,
  kind,
  public_key: rawOf(key).toString('base64'),
})
