import { sign, verify } from 'node:crypto'
import type { SigningKey, VerifyingKey } from './keys.ts'

/** A manifest's exact text, and the base64 of its signature. */
export type SignedText = { manifest: string; signature: string }

/** The server's own signature beside a stored one that is somebody else's. */
export type Countersign = (id: string) => Promise<SignedText | undefined>

/** Base64 of the 64 bytes of a signature, and nothing around it. */
const SIGNATURE = /^[A-Za-z0-9+/]{85}[AQgw]==$/

export const isSignature = (text: string): boolean => SIGNATURE.test(text)

/** The domain goes in front, so that a signature of one kind of thing never counts as one of another. */
const bytesOf = (domain: string, text: string) => Buffer.from(`${domain}\0${text}`)

/** Ed25519 over the domain, a zero byte and the text. Base64. */
export const signText = (domain: string, text: string, { privateKey }: SigningKey): string =>
  sign(null, bytesOf(domain, text), privateKey).toString('base64')

export const isSignedBy = (domain: string, text: string, signature: string, { key }: VerifyingKey): boolean =>
  isSignature(signature) && verify(null, bytesOf(domain, text), key, Buffer.from(signature, 'base64'))
