import { createHash, randomBytes } from 'node:crypto'

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz0123456789'

/** `length` characters of `alphabet`, uniformly: bytes that would favour the first characters are thrown away. */
export function randomText(length: number, alphabet = ALPHABET): string {
  const fair = 256 - (256 % alphabet.length)
  let text = ''
  while (text.length < length)
    for (const byte of randomBytes(length * 2))
      if (byte < fair && text.length < length) text += alphabet[byte % alphabet.length]
  return text
}

/** A record id: 15 characters a-z0-9. */
export const newId = (): string => randomText(15)

const ID = /^[a-z0-9]{15}$/

/** False for what no record can have as its id, so that such a text never reaches the database. */
export const isId = (text: string): boolean => ID.test(text)

/** Secrets are stored only as this; their own randomness makes salt and stretching pointless. */
export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
