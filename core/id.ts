import { createHash, randomFillSync } from 'node:crypto'

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz0123456789'

/** Random bytes not used yet: a call to the generator costs far more than the bytes of one id. */
const bytes = new Uint8Array(4096)
let used = bytes.length

function randomByte(): number {
  if (used === bytes.length) {
    randomFillSync(bytes)
    used = 0
  }
  return bytes[used++] as number
}

/** `length` characters of `alphabet`, uniformly: bytes that would favour the first characters are thrown away. */
export function randomText(length: number, alphabet = ALPHABET): string {
  const fair = 256 - (256 % alphabet.length)
  let text = ''
  while (text.length < length) {
    const byte = randomByte()
    if (byte < fair) text += alphabet[byte % alphabet.length]
  }
  return text
}

/** A record id: 15 characters a-z0-9. */
export const newId = (): string => randomText(15)

const ID = /^[a-z0-9]{15}$/

/** False for what no record can have as its id, so that such a text never reaches the database. */
export const isId = (text: string): boolean => ID.test(text)

/** Secrets are stored only as this; their own randomness makes salt and stretching pointless. */
export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

/** The same id for the same texts, always: what is made for a reason twice is then one record. */
export function idFor(...reason: readonly string[]): string {
  const digest = BigInt(`0x${sha256(JSON.stringify(reason))}`)
  // 256 bits over 78 of the id: no character is more likely than another by anything that could matter.
  return digest.toString(36).slice(-15)
}
